#include <signal.h>
#include <sys/wait.h>

#include "check_main.h"
#include "desktop_rig.h"

static bool try_shot(struct desktop *desktop, struct fail *why)
{
    struct desktop_shot wanted = {.budget = 1 << 20};
    struct desktop_picture picture;
    if (!desktop_screenshot(desktop, NULL, &wanted, &picture, why))
        return false;
    free(decode_file(picture.fd, picture.bytes).rgb);
    return true;
}

static pid_t desktop_process_id(void)
{
    return child_named("opengeni-agent-desktop");
}

// Another server on the display number of one that has gone.
static void restart(struct xvfb *xvfb)
{
    struct xvfb again;
    char *const options[] = {xvfb->display, NULL};
    ck_assert(xvfb_start(&again, "1024x768x24", false, options));
    xvfb->pid = again.pid;
    rmdir(again.directory);
}

static void kill_server(struct xvfb *xvfb)
{
    kill(xvfb->pid, SIGKILL);
    waitpid(xvfb->pid, NULL, 0);
    char path[64];
    snprintf(path, sizeof path, "/tmp/.X11-unix/X%s", xvfb->display + 1);
    unlink(path);
    snprintf(path, sizeof path, "/tmp/.X%s-lock", xvfb->display + 1);
    unlink(path);
    xvfb->pid = 0;
}

START_TEST(a_server_that_dies_is_an_error_and_one_that_comes_back_works)
{
    struct rig rig = rig_start("1280x800x24", NULL);
    struct fail why;
    desktop_use(rig.desktop, rig.xvfb.display, rig.xvfb.cookie);
    ck_assert(try_shot(rig.desktop, &why));
    kill_server(&rig.xvfb);
    int64_t start = clock_mono_ms();
    ck_assert(!try_shot(rig.desktop, &why));
    ck_assert(why.kind == FAIL_UNSUPPORTED || why.kind == FAIL_SYSTEM);
    ck_assert_int_lt(clock_mono_ms() - start, 20000);
    ck_assert(!press_keys(rig.desktop, "a", DESKTOP_KEY_PRESS, &why));
    ck_assert(why.kind == FAIL_UNSUPPORTED || why.kind == FAIL_SYSTEM);
    struct desktop_state state;
    desktop_look(rig.desktop, &state);
    ck_assert(!state.available);
    ck_assert_str_eq(state.reason, "");

    restart(&rig.xvfb);
    ck_assert(try_shot(rig.desktop, &why));
    ck_assert(press_keys(rig.desktop, "a", DESKTOP_KEY_PRESS, &why));
    desktop_look(rig.desktop, &state);
    ck_assert_uint_eq(state.width, 1024);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_server_that_dies_unnoticed_costs_nothing_once_it_is_back)
{
    struct rig rig = rig_start("1280x800x24", NULL);
    struct fail why;
    desktop_use(rig.desktop, rig.xvfb.display, rig.xvfb.cookie);
    ck_assert(try_shot(rig.desktop, &why));
    kill_server(&rig.xvfb);
    restart(&rig.xvfb);
    ck_assert(try_shot(rig.desktop, &why));

    pid_t process = desktop_process_id(); // which finds the request before it finds the end
    kill(process, SIGSTOP);
    kill_server(&rig.xvfb);
    restart(&rig.xvfb);
    pid_t waker = fork();
    ck_assert_int_ge(waker, 0);
    if (waker == 0) {
        sleep_ms(200);
        kill(process, SIGCONT);
        _exit(0);
    }
    bool shot = try_shot(rig.desktop, &why);
    waitpid(waker, NULL, 0);
    ck_assert_msg(shot, "%s", why.what);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_server_that_stops_costs_one_deadline)
{
    struct rig rig = rig_start("1280x800x24", NULL);
    struct fail why;
    desktop_use(rig.desktop, rig.xvfb.display, rig.xvfb.cookie);
    ck_assert(try_shot(rig.desktop, &why));
    xvfb_freeze(&rig.xvfb);
    int64_t start = clock_mono_ms();
    ck_assert(!try_shot(rig.desktop, &why));
    ck_assert_int_eq(why.kind, FAIL_TIMEOUT);
    ck_assert_int_lt(clock_mono_ms() - start, 30000);

    struct desktop_state state; // a new connection is given less time
    start = clock_mono_ms();
    desktop_look(rig.desktop, &state);
    ck_assert(!state.available);
    ck_assert_ptr_nonnull(strstr(state.reason, "does not answer"));
    ck_assert_ptr_nonnull(strstr(state.reason, rig.xvfb.display));
    ck_assert_int_lt(clock_mono_ms() - start, 20000);

    kill(rig.xvfb.pid, SIGCONT);
    sleep_ms(DESKTOP_NEGATIVE_MS + 100);
    ck_assert(try_shot(rig.desktop, &why));
    rig_stop(&rig);
}
END_TEST

START_TEST(input_to_a_stopped_server_times_out_and_is_not_made_twice)
{
    struct rig rig = rig_start("1280x800x24", NULL);
    struct receiver receiver;
    struct fail why;
    desktop_use(rig.desktop, rig.xvfb.display, rig.xvfb.cookie);
    receiver_open(&receiver, rig.xvfb.display);
    ck_assert(press_keys(rig.desktop, "a", DESKTOP_KEY_PRESS, &why));
    xvfb_freeze(&rig.xvfb);
    int64_t start = clock_mono_ms();
    ck_assert(!press_keys(rig.desktop, "b", DESKTOP_KEY_PRESS, &why));
    ck_assert_int_eq(why.kind, FAIL_TIMEOUT);
    ck_assert_int_lt(clock_mono_ms() - start, 30000);
    kill(rig.xvfb.pid, SIGCONT);
    sleep_ms(DESKTOP_NEGATIVE_MS + 100);
    ck_assert(press_keys(rig.desktop, "c", DESKTOP_KEY_PRESS, &why));
    receiver_read(&receiver, 300);
    unsigned pressed_b = 0;
    for (size_t i = 0; i < receiver.text_size; i++)
        pressed_b += receiver.text[i] == 'b';
    ck_assert_uint_le(pressed_b, 1);
    ck_assert_int_eq(receiver.text[receiver.text_size - 1], 'c');
    receiver_close(&receiver);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_killed_desktop_process_is_replaced)
{
    struct rig rig = rig_start("1280x800x24", NULL);
    struct fail why;
    for (unsigned i = 0; i < 10; i++) {
        ck_assert(try_shot(rig.desktop, &why));
        ck_assert_int_gt(desktop_process_id(), 0);
        kill(desktop_process_id(), SIGKILL);
        if (i % 2 == 0)
            continue; // a picture is asked for again if the process ends under it
        while (desktop_process_id() > 0)
            sleep_ms(5);
        sleep_ms(50); // input is not, so it has to be known that it has ended
        ck_assert(press_keys(rig.desktop, "a", DESKTOP_KEY_PRESS, &why));
    }
    rig_stop(&rig);
}
END_TEST

// Until it has ended and the daemon's side has noticed.
static void await_end(struct desktop *desktop)
{
    for (unsigned i = 0; i < 300 && desktop_process_id(); i++) {
        sleep_ms(100);
        desktop_sweep(desktop);
    }
    ck_assert_int_eq(desktop_process_id(), 0);
}

START_TEST(a_look_starts_a_process_that_does_not_stay)
{
    struct rig rig = rig_start("1280x800x24", NULL); // where it stays for a minute after use
    struct desktop_state state;
    struct fail why;
    desktop_use(rig.desktop, rig.xvfb.display, rig.xvfb.cookie);
    desktop_look(rig.desktop, &state);
    ck_assert(state.available);
    ck_assert_int_ne(desktop_process_id(), 0);
    await_end(rig.desktop);
    desktop_known(rig.desktop, &state);
    ck_assert(state.available); // the display has not gone for that
    ck_assert_str_eq(state.display, rig.xvfb.display);
    ck_assert(try_shot(rig.desktop, &why));
    pid_t process = desktop_process_id();
    sleep_ms(DESKTOP_GLANCE_MS);
    desktop_look(rig.desktop, &state);
    sleep_ms(DESKTOP_GLANCE_MS + 500);
    ck_assert_int_eq(desktop_process_id(), process);

    kill(process, SIGKILL); // a display that is not to be used any more is not known any more
    await_end(rig.desktop);
    desktop_use_none(rig.desktop, "gone");
    desktop_known(rig.desktop, &state);
    ck_assert(!state.available);
    ck_assert_str_eq(state.reason, "gone");
    rig_stop(&rig);
}
END_TEST

START_TEST(what_a_killed_process_held_is_released_without_being_used)
{
    struct rig rig = rig_start("640x480x24", NULL);
    struct receiver receiver;
    struct desktop_state state;
    struct fail why;
    desktop_use(rig.desktop, rig.xvfb.display, rig.xvfb.cookie);
    receiver_open(&receiver, rig.xvfb.display);
    for (unsigned round = 0; round < 2; round++) {
        ck_assert(press_keys(rig.desktop, "ctrl", DESKTOP_KEY_DOWN, &why));
        input_ok(rig.desktop, .kind = DESKTOP_POINTER, .action = DESKTOP_POINTER_DOWN, .x = 9);
        ck_assert(!desktop_left_marks(rig.desktop)); // the process looks after them
        kill(desktop_process_id(), SIGKILL);
        await_end(rig.desktop);
        for (unsigned i = 0; i < 300 && !desktop_left_marks(rig.desktop); i++)
            sleep_ms(50);
        ck_assert(desktop_left_marks(rig.desktop));
        receiver_clear(&receiver);
        if (round == 0)
            desktop_look(rig.desktop, &state); // what the daemon does when it notices
        else
            desktop_release(rig.desktop); // the link that pressed them ends
        receiver_read(&receiver, 200);
        ck_assert_str_eq(receiver_story(&receiver, false), "-Control_L -b1");
        ck_assert(!desktop_left_marks(rig.desktop));
    }
    // A server that is no more holds nothing.
    ck_assert(press_keys(rig.desktop, "ctrl", DESKTOP_KEY_DOWN, &why));
    kill(desktop_process_id(), SIGKILL);
    await_end(rig.desktop);
    receiver_close(&receiver);
    kill_server(&rig.xvfb);
    desktop_look(rig.desktop, &state);
    ck_assert(!state.available);
    ck_assert(!desktop_left_marks(rig.desktop));
    rig_stop(&rig);
}
END_TEST

START_TEST(the_process_ends_with_the_daemon_s_side)
{
    struct rig rig = rig_start("1280x800x24", NULL);
    struct fail why;
    ck_assert(try_shot(rig.desktop, &why));
    pid_t process = desktop_process_id();
    ck_assert_int_gt(process, 0);
    int64_t start = clock_mono_ms();
    desktop_free(rig.desktop);
    rig.desktop = NULL;
    ck_assert_int_lt(clock_mono_ms() - start, 20000);
    ck_assert_int_ne(kill(process, 0), 0);
    rig_stop(&rig);
}
END_TEST

START_TEST(no_descriptor_or_segment_is_left_behind)
{
    struct rig rig = rig_start("640x480x24", NULL);
    struct fail why;
    ck_assert(try_shot(rig.desktop, &why));
    int before = dup(0);
    close(before);
    for (unsigned i = 0; i < 20; i++) {
        kill(desktop_process_id(), SIGKILL);
        ck_assert(try_shot(rig.desktop, &why));
    }
    int after = dup(0);
    close(after);
    ck_assert_int_eq(before, after);
    rig_stop(&rig);
    // Shared memory segments of ours are all marked for removal: none has only itself.
    FILE *segments = fopen("/proc/sysvipc/shm", "r");
    char line[512];
    while (segments && fgets(line, sizeof line, segments)) {
        unsigned perms, owner_process;
        unsigned long size;
        if (sscanf(line, "%*d %*d %o %lu %u", &perms, &size, &owner_process) == 3 &&
            size == 640 * 480 * 4)
            ck_assert_msg(perms & 01000, "a segment was left: %s", line); // SHM_DEST
    }
    if (segments)
        fclose(segments);
}
END_TEST

CHECK_MAIN("faults", 300, a_server_that_dies_is_an_error_and_one_that_comes_back_works,
           a_server_that_dies_unnoticed_costs_nothing_once_it_is_back,
           a_server_that_stops_costs_one_deadline,
           input_to_a_stopped_server_times_out_and_is_not_made_twice,
           a_killed_desktop_process_is_replaced, a_look_starts_a_process_that_does_not_stay,
           what_a_killed_process_held_is_released_without_being_used,
           the_process_ends_with_the_daemon_s_side, no_descriptor_or_segment_is_left_behind)
