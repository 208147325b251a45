#include "desktop_client/candidates.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/lane.h"
#include "scratch.h"

static struct candidate_places places;

static void make_tree(void)
{
    static const char *const directories[] = {"run",      "run/systemd",   "run/systemd/sessions",
                                              "run/user", "proc",          "proc/net",
                                              "tmp",      "tmp/.X11-unix", "home"};
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++)
        make_dir(in("%s", directories[i]));
    places = (struct candidate_places){.root = scratch, .uid = geteuid()};
}

static void put_session(const char *name, unsigned uid, const char *type, const char *display,
                        int active, const char *state)
{
    char text[512];
    snprintf(text, sizeof text,
             "# This is private data. Do not parse.\nUID=%u\nUSER=u\nACTIVE=%d\nSTATE=%s\n"
             "TYPE=%s\n%s%s%s",
             uid, active, state, type, display ? "DISPLAY=" : "", display ? display : "",
             display ? "\n" : "");
    put(in("run/systemd/sessions/%s", name), text);
}

static void put_process(const char *pid, const char *environment, size_t size)
{
    make_dir(in("proc/%s", pid));
    put_bytes(in("proc/%s/environ", pid), environment, size);
}

static void put_socket(const char *name)
{
    put(in("tmp/.X11-unix/%s", name), ""); // its kind is not looked at
}

static struct candidates found;

static const char *displays(void)
{
    static char out[512];
    candidates_find(&places, &found);
    out[0] = '\0';
    for (size_t i = 0; i < found.count; i++)
        snprintf(out + strlen(out), sizeof out - strlen(out), "%s%s%s", i ? " " : "",
                 found.displays[i].display, found.displays[i].wayland ? "(wayland)" : "");
    return out;
}

START_TEST(an_empty_machine_has_none)
{
    make_tree();
    ck_assert_str_eq(displays(), "");
    ck_assert(!found.wayland);
    ck_assert_uint_eq(found.cookie_count, 0);
    places.root = "/nonexistent";
    ck_assert_str_eq(displays(), "");
}
END_TEST

START_TEST(the_own_variable_comes_first_then_active_sessions_then_sockets_in_order)
{
    make_tree();
    put_session("3", geteuid(), "x11", ":4", 0, "online");
    put_session("4", geteuid(), "x11", ":3", 1, "active");
    put_session("5", geteuid() + 1, "x11", ":1", 1, "active"); // another's
    put_session("6", geteuid(), "tty", NULL, 1, "active");
    put_session("7", geteuid(), "x11", ":8", 1, "closing");
    put(in("run/systemd/sessions/4.ref"), "DISPLAY=:77\n");
    put_socket("X12");
    put_socket("X2");
    put_socket("X3");
    put_socket("Y5");
    put_socket("X");
    put_socket("X9.0");
    places.display = ":50";
    ck_assert_str_eq(displays(), ":50 :3 :4 :2 :12");
    places.display = "";
    ck_assert_str_eq(displays(), ":3 :4 :2 :12");
}
END_TEST

START_TEST(variables_of_own_processes_are_found_with_their_cookies)
{
    make_tree();
    char environment[256];
    put(in("home/cookie"), "x");
    int size = snprintf(environment, sizeof environment,
                        "PATH=/bin%cDISPLAY=:7%cXAUTHORITY=/home/cookie%cX=y", 0, 0, 0);
    put_process("100", environment, (size_t)size + 1);
    put_process("101", "DISPLAY=localhost:10.0", 23);
    put_process("102", "XDISPLAY=:9", 12);
    put_process("103", "DISPLAY=:7.0", 13); // the same
    put_process("notanumber", "DISPLAY=:8", 11);
    ck_assert_str_eq(displays(), ":7");
    ck_assert_uint_eq(found.cookie_count, 1);
    ck_assert_str_eq(found.cookies[0], in("home/cookie"));
}
END_TEST

START_TEST(cookies_are_looked_for_where_display_managers_put_them)
{
    make_tree();
    char path[64];
    snprintf(path, sizeof path, "run/user/%u", (unsigned)geteuid());
    make_dir(in("%s", path));
    make_dir(in("%s/gdm", path));
    put(in("%s/gdm/Xauthority", path), "x");
    put(in("%s/xauth_AbCdEf", path), "x");
    put(in("home/.Xauthority"), "x");
    put(in("home/special"), "x");
    make_dir(in("home/directory"));
    places.home = "/home";
    places.xauthority = "/home/special";
    displays();
    ck_assert_uint_eq(found.cookie_count, 4);
    ck_assert_str_eq(found.cookies[0], in("home/special"));
    ck_assert_str_eq(found.cookies[1], in("home/.Xauthority"));
    places.xauthority = "/home/directory";
    displays();
    ck_assert_uint_eq(found.cookie_count, 3);
    places.xauthority = "relative";
    displays();
    ck_assert_uint_eq(found.cookie_count, 3);
}
END_TEST

START_TEST(wayland_sessions_are_marked)
{
    make_tree();
    put_session("1", geteuid(), "wayland", ":0", 1, "active");
    put_socket("X0");
    put_socket("X1");
    ck_assert_str_eq(displays(), ":0(wayland) :1");
    ck_assert(found.wayland);
}
END_TEST

START_TEST(a_wayland_session_without_x_is_known_from_its_processes)
{
    make_tree();
    put_process("9", "WAYLAND_DISPLAY=wayland-0", 26);
    ck_assert_str_eq(displays(), "");
    ck_assert(found.wayland);
}
END_TEST

START_TEST(sockets_without_a_file_count_those_with_one_not_twice)
{
    make_tree();
    put_socket("X1");
    put(in("proc/net/unix"), "Num       RefCount Protocol Flags    Type St Inode Path\n"
                             "0000: 00000002 00000000 00010000 0001 01 17 @/tmp/.X11-unix/X1\n"
                             "0000: 00000002 00000000 00010000 0001 01 18 @/tmp/.X11-unix/X6\n"
                             "0000: 00000002 00000000 00010000 0001 01 19 @/tmp/.ICE-unix/5\n");
    ck_assert_str_eq(displays(), ":1 :6");
    unlink(in("tmp/.X11-unix/X1"));
}
END_TEST

START_TEST(there_is_room_for_so_many_and_no_more)
{
    make_tree();
    for (unsigned i = 0; i < DESKTOP_CANDIDATES_MAX + 20; i++)
        put_socket(strrchr(in("X%u", i), '/') + 1);
    displays();
    ck_assert_uint_eq(found.count, DESKTOP_CANDIDATES_MAX);
}
END_TEST

// --- the lock that goes in order

struct line {
    struct ordered_lane lane;
    int order[64];
    int served;
    int ready;
};

struct stander {
    struct line *line;
    int number;
};

static void *stand_in_line(void *stander_)
{
    struct stander *stander = stander_;
    struct lane_waiter waiter;
    struct line *line = stander->line;
    __atomic_add_fetch(&line->ready, 1, __ATOMIC_SEQ_CST);
    ck_assert(lane_enter(&line->lane, &waiter, clock_mono_ms() + 60000));
    line->order[line->served++] = stander->number;
    lane_leave(&line->lane, &waiter);
    return NULL;
}

static bool lane_has(struct ordered_lane *lane, int waiters)
{
    pthread_mutex_lock(&lane->lock);
    for (const struct lane_waiter *one = lane->first; one; one = one->next)
        waiters--;
    pthread_mutex_unlock(&lane->lock);
    return waiters <= 0;
}

START_TEST(a_lane_serves_in_order_and_lets_late_ones_go)
{
    enum { STANDERS = 16 };
    struct line line = {.served = 0};
    struct stander standers[STANDERS];
    pthread_t threads[STANDERS];
    struct lane_waiter first, late;
    lane_init(&line.lane);
    ck_assert(lane_enter(&line.lane, &first, clock_mono_ms() + 1000));
    for (int i = 0; i < STANDERS; i++) {
        standers[i] = (struct stander){&line, i};
        pthread_create(&threads[i], NULL, stand_in_line, &standers[i]);
        while (__atomic_load_n(&line.ready, __ATOMIC_SEQ_CST) <= i)
            clock_sleep_ms(1);
        while (!lane_has(&line.lane, i + 2))
            clock_sleep_ms(1);
        if (i == STANDERS / 2) {
            int64_t start = clock_mono_ms();
            ck_assert(!lane_enter(&line.lane, &late, start + 50));
            ck_assert_int_ge(clock_mono_ms() - start, 50);
        }
    }
    lane_leave(&line.lane, &first);
    for (int i = 0; i < STANDERS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < STANDERS; i++)
        ck_assert_int_eq(line.order[i], i);
    lane_fini(&line.lane);
}
END_TEST

RUN_SUITE("candidates", an_empty_machine_has_none,
          the_own_variable_comes_first_then_active_sessions_then_sockets_in_order,
          variables_of_own_processes_are_found_with_their_cookies,
          cookies_are_looked_for_where_display_managers_put_them, wayland_sessions_are_marked,
          a_wayland_session_without_x_is_known_from_its_processes,
          sockets_without_a_file_count_those_with_one_not_twice,
          there_is_room_for_so_many_and_no_more, a_lane_serves_in_order_and_lets_late_ones_go)
