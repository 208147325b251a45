#include "desktop_protocol/protocol.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "check_main.h"
#include "desktop_protocol/display_name.h"
#include "desktop_protocol/message.h"
#include "desktop_protocol/sealed.h"

static struct desktop_request request_of(enum desktop_ask ask)
{
    struct desktop_request request = {.version = DESKTOP_PROTOCOL_VERSION, .ask = ask, .serial = 1};
    if (ask == DESKTOP_INPUT)
        request.input.kind = DESKTOP_POINTER;
    return request;
}

START_TEST(requests_of_every_kind_are_valid_and_others_not)
{
    for (unsigned ask = 0; ask < 20; ask++) {
        struct desktop_request request = request_of(ask);
        ck_assert_int_eq(desktop_request_valid(&request, sizeof request, false),
                         ask >= DESKTOP_OPEN && ask <= DESKTOP_RELEASE);
        ck_assert(!desktop_request_valid(&request, sizeof request, true));
        ck_assert(!desktop_request_valid(&request, sizeof request - 1, false));
        ck_assert(!desktop_request_valid(&request, 0, false));
        request.version++;
        ck_assert(!desktop_request_valid(&request, sizeof request, false));
    }
}
END_TEST

START_TEST(texts_that_do_not_end_are_refused)
{
    struct desktop_request request = request_of(DESKTOP_OPEN);
    memset(request.open.display, 'x', sizeof request.open.display);
    ck_assert(!desktop_request_valid(&request, sizeof request, false));
    request = request_of(DESKTOP_OPEN);
    memset(request.open.xauthority, 'x', sizeof request.open.xauthority);
    ck_assert(!desktop_request_valid(&request, sizeof request, false));
    request = request_of(DESKTOP_INPUT);
    memset(request.input.key, 'x', sizeof request.input.key);
    ck_assert(!desktop_request_valid(&request, sizeof request, false));
}
END_TEST

START_TEST(text_comes_with_memory_and_has_a_limit)
{
    struct desktop_request request = request_of(DESKTOP_INPUT);
    request.input.kind = DESKTOP_TEXT;
    ck_assert(!desktop_request_valid(&request, sizeof request, false));
    ck_assert(desktop_request_valid(&request, sizeof request, true));
    request.input.text_bytes = DESKTOP_TEXT_BYTES_MAX;
    ck_assert(desktop_request_valid(&request, sizeof request, true));
    request.input.text_bytes++;
    ck_assert(!desktop_request_valid(&request, sizeof request, true));
    request.input.kind = DESKTOP_KEY;
    ck_assert(!desktop_request_valid(&request, sizeof request, false));
    request.input.kind = DESKTOP_TEXT + 1;
    request.input.text_bytes = 0;
    ck_assert(!desktop_request_valid(&request, sizeof request, false));
}
END_TEST

START_TEST(answers_say_what_fits_their_question)
{
    struct desktop_answer answer = {.version = DESKTOP_PROTOCOL_VERSION, .ask = DESKTOP_SCREENSHOT};
    ck_assert(!desktop_answer_valid(&answer, sizeof answer, true)); // no size
    answer.screenshot.width = answer.screenshot.height = 1;
    answer.screenshot.native_width = answer.screenshot.native_height = DESKTOP_SIDE_MAX;
    ck_assert(desktop_answer_valid(&answer, sizeof answer, true));
    ck_assert(!desktop_answer_valid(&answer, sizeof answer, false)); // no picture
    answer.screenshot.native_width++;
    ck_assert(!desktop_answer_valid(&answer, sizeof answer, true));
    answer.screenshot.native_width--;
    answer.screenshot.bytes = DESKTOP_PNG_BYTES_MAX + 1ull;
    ck_assert(!desktop_answer_valid(&answer, sizeof answer, true));
    answer.fail_kind = FAIL_SYSTEM;
    ck_assert(desktop_answer_valid(&answer, sizeof answer, false));
    ck_assert(!desktop_answer_valid(&answer, sizeof answer, true));
    answer.fail_kind = FAIL_STREAM + 1;
    ck_assert(!desktop_answer_valid(&answer, sizeof answer, false));
    memset(&answer, 0, sizeof answer);
    answer.version = DESKTOP_PROTOCOL_VERSION;
    answer.ask = DESKTOP_OPEN;
    ck_assert(!desktop_answer_valid(&answer, sizeof answer, false));
    answer.open.opened = DESKTOP_NO_SERVER;
    ck_assert(desktop_answer_valid(&answer, sizeof answer, false));
    answer.open.opened = DESKTOP_OPENED;
    ck_assert(!desktop_answer_valid(&answer, sizeof answer, false));
    answer.open.width = answer.open.height = 5;
    ck_assert(desktop_answer_valid(&answer, sizeof answer, false));
    memset(answer.open.text, 'x', sizeof answer.open.text);
    ck_assert(!desktop_answer_valid(&answer, sizeof answer, false));
}
END_TEST

START_TEST(a_failure_goes_through_an_answer_unchanged)
{
    struct desktop_answer answer = {.version = DESKTOP_PROTOCOL_VERSION, .ask = DESKTOP_INPUT};
    struct fail in, out;
    ck_assert(desktop_answer_ok(&answer, &out));
    fail_too_large(&in, 123456, 1000);
    desktop_answer_fail(&answer, &in);
    ck_assert(desktop_answer_valid(&answer, sizeof answer, false));
    ck_assert(!desktop_answer_ok(&answer, &out));
    ck_assert_int_eq(out.kind, FAIL_TOO_LARGE);
    ck_assert_uint_eq(out.size, 123456);
    ck_assert_uint_eq(out.size_max, 1000);
    ck_assert_str_eq(out.what, in.what);
}
END_TEST

// Those that are open; their numbers may have holes.
static unsigned descriptors(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");
    ck_assert_ptr_nonnull(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

START_TEST(messages_keep_their_borders_and_carry_one_descriptor)
{
    int pair[2], fd, fds[2] = {open("/dev/null", O_RDONLY), open("/dev/zero", O_RDONLY)};
    char room[8], byte;
    ck_assert(message_pair(pair));
    ck_assert_int_eq(message_receive(pair[1], room, sizeof room, &fd), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert(message_send(pair[0], "one", 3, -1));
    ck_assert(message_send(pair[0], "zero", 4, fds[1]));
    ck_assert_int_eq(message_receive(pair[1], room, sizeof room, &fd), 3);
    ck_assert_int_eq(fd, -1);
    ck_assert_int_eq(message_receive(pair[1], room, sizeof room, &fd), 4);
    ck_assert_int_eq(read(fd, &byte, 1), 1);
    ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    close(fd);

    ck_assert(message_send(pair[0], "longer than eight", 17, fds[0])); // is dropped, and closed
    ck_assert_int_eq(message_receive(pair[1], room, sizeof room, &fd), -1);
    ck_assert_int_eq(errno, EMSGSIZE);
    ck_assert_int_eq(fd, -1);

    struct iovec body = {"two", 3};
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof fds)];
    } control;
    struct msghdr both = {.msg_iov = &body,
                          .msg_iovlen = 1,
                          .msg_control = &control,
                          .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&both);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(head), fds, sizeof fds);
    ck_assert_int_eq(sendmsg(pair[0], &both, 0), 3);
    unsigned before = descriptors();
    ck_assert_int_eq(message_receive(pair[1], room, sizeof room, &fd), -1);
    ck_assert_int_eq(errno, EMSGSIZE);
    ck_assert_uint_eq(descriptors(), before); // both that came were closed again

    close(pair[0]);
    ck_assert_int_eq(message_receive(pair[1], room, sizeof room, &fd), 0);
    ck_assert(!message_send(pair[1], "late", 4, -1));
    ck_assert_int_eq(errno, EPIPE);
    close(pair[1]);
}
END_TEST

START_TEST(a_full_socket_does_not_block)
{
    int pair[2];
    static char block[4096];
    ck_assert(message_pair(pair));
    unsigned sent = 0;
    while (message_send(pair[0], block, sizeof block, -1))
        ck_assert_uint_lt(sent++, 100000);
    ck_assert_int_eq(errno, EAGAIN);
    close(pair[0]);
    close(pair[1]);
}
END_TEST

START_TEST(sealed_memory_cannot_be_changed)
{
    struct fail why;
    char back[12] = "";
    const struct iovec pieces[] = {{"one ", 4}, {"two ", 4}, {"", 0}, {"end", 3}};
    int fd = sealed_new("test", pieces, 4, &why);
    ck_assert_int_ge(fd, 0);
    ck_assert(sealed_check(fd, 11, &why));
    ck_assert(!sealed_check(fd, 10, &why));
    ck_assert(sealed_read(fd, back, 11, &why));
    ck_assert_str_eq(back, "one two end");
    ck_assert_int_eq(pwrite(fd, "x", 1, 0), -1);
    ck_assert_int_eq(ftruncate(fd, 1), -1);
    ck_assert_ptr_eq(mmap(NULL, 11, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    close(fd);

    int open_fd = memfd_create("open", MFD_ALLOW_SEALING);
    ck_assert_int_eq(write(open_fd, "abc", 3), 3);
    ck_assert(!sealed_check(open_fd, 3, &why));
    ck_assert_int_eq(why.kind, FAIL_PROTOCOL);
    int file = open("/dev/null", O_RDONLY);
    ck_assert(!sealed_check(file, 0, &why));
    close(open_fd);
    close(file);
}
END_TEST

START_TEST(display_names_of_this_machine_are_told_from_others)
{
    unsigned number;
    ck_assert(display_name_number(":0", &number) && number == 0);
    ck_assert(display_name_number(":99.0", &number) && number == 99);
    ck_assert(display_name_number("unix:7", &number) && number == 7);
    static const char *const bad[] = {"",    ":",          "host:0", "localhost:10.0", ":x",
                                      ":1x", ":1.",        "0",      ":99999",         ": 1",
                                      ":-1", "tcp/host:0", ":1.0x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!display_name_number(bad[i], &number), "%s", bad[i]);
}
END_TEST

CHECK_MAIN("desktop_protocol", 300, requests_of_every_kind_are_valid_and_others_not,
           texts_that_do_not_end_are_refused, text_comes_with_memory_and_has_a_limit,
           answers_say_what_fits_their_question, a_failure_goes_through_an_answer_unchanged,
           messages_keep_their_borders_and_carry_one_descriptor, a_full_socket_does_not_block,
           sealed_memory_cannot_be_changed, display_names_of_this_machine_are_told_from_others)
