#include "scratch.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#include "base/alloc.h"
#include "host/capacity.h"
#include "host/cgroup_limits.h"
#include "host/machine.h"

static struct capacity_sample sample;

static void measure(void)
{
    static char proc[128], cgroup[128], spool[128];
    snprintf(proc, sizeof proc, "%s/proc", scratch);
    snprintf(cgroup, sizeof cgroup, "%s/cg", scratch);
    snprintf(spool, sizeof spool, "%s/spool", scratch);
    struct capacity_setup setup = {.spool = spool, .proc = proc, .cgroup = cgroup};
    struct capacity *capacity = capacity_new(&setup);
    capacity_sample(capacity);
    capacity_get(capacity, &sample);
    capacity_free(capacity);
}

static void make_machine(void)
{
    make_dir(in("proc"));
    make_dir(in("proc/self"));
    make_dir(in("proc/self/fd"));
    for (int i = 0; i < 11; i++)
        put(in("proc/self/fd/%d", i), "");
    put(in("proc/meminfo"), "MemTotal: 4000 kB\nMemAvailable: 1000 kB\n");
    put(in("proc/self/cgroup"), "12:cpu:/old\n0::/a/b\n");
    make_dir(in("cg"));
    make_dir(in("cg/a"));
    make_dir(in("cg/a/b"));
}

START_TEST(figures_of_a_machine)
{
    make_machine();
    put(in("cg/a/b/pids.max"), "512\n");
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){256, 256});
    measure();
    ck_assert_uint_eq(sample.mem_available_bytes, 1024000);
    ck_assert_uint_eq(sample.fd_headroom, 256 - 10); // less the listing's own
    ck_assert_uint_eq(sample.pid_headroom, 512);
    ck_assert_uint_ge(sample.nproc, 1);
    ck_assert_uint_eq(mode_of(in("spool")) & 0777, 0700);
    struct statvfs disk;
    statvfs(scratch, &disk);
    ck_assert_uint_le(sample.disk_free_bytes, disk.f_blocks * disk.f_frsize);
    ck_assert_uint_gt(sample.disk_free_bytes, 0);
}
END_TEST

START_TEST(more_descriptors_than_the_limit)
{
    make_machine();
    for (int i = 0; i < 100; i++)
        put(in("proc/self/fd/x%d", i), "");
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){64, 64});
    measure();
    ck_assert_uint_eq(sample.fd_headroom, 0);
}
END_TEST

START_TEST(processes_without_a_group_limit)
{
    make_machine();
    put(in("cg/a/b/pids.max"), "max\n");
    setrlimit(RLIMIT_NPROC, &(struct rlimit){777, 777});
    measure();
    ck_assert_uint_eq(sample.pid_headroom, 777);
    unlink(in("cg/a/b/pids.max"));
    measure();
    ck_assert_uint_eq(sample.pid_headroom, 777);
}
END_TEST

START_TEST(processes_without_any_limit)
{
    make_machine();
    if (setrlimit(RLIMIT_NPROC, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY}) < 0)
        return;
    measure();
    ck_assert_uint_eq(sample.pid_headroom, UINT64_MAX);
}
END_TEST

START_TEST(defaults_for_what_cannot_be_read)
{
    struct capacity_setup setup = {.spool = "/proc/none/spool", .proc = scratch, .cgroup = scratch};
    struct capacity *capacity = capacity_new(&setup);
    for (int i = 0; i < 2; i++) {
        capacity_get(capacity, &sample);
        ck_assert_uint_eq(sample.mem_available_bytes, 8ull << 30);
        ck_assert_uint_eq(sample.disk_free_bytes, 64ull << 30);
        ck_assert_uint_eq(sample.fd_headroom, 65536);
        capacity_sample(capacity);
    }
    capacity_free(capacity);
}
END_TEST

START_TEST(quota_of_any_level_counts)
{
    make_machine();
    char *mount = mem_string(in("cg")), *group = mem_string(in("cg/a/b"));
    ck_assert_uint_eq(cgroup_cpus_max(group, mount), UINT64_MAX);
    put(in("cg/a/b/cpu.max"), "max 100000\n");
    ck_assert_uint_eq(cgroup_cpus_max(group, mount), UINT64_MAX);
    put(in("cg/a/cpu.max"), "250000 100000\n");
    ck_assert_uint_eq(cgroup_cpus_max(group, mount), 2);
    put(in("cg/a/b/cpu.max"), "50000 100000\n");
    ck_assert_uint_eq(cgroup_cpus_max(group, mount), 1);
    put(in("cg/a/b/cpu.max"), "300000 0\n");
    put(in("cpu.max"), "100000 100000\n"); // above the mount point
    ck_assert_uint_eq(cgroup_cpus_max(group, mount), 2);
    put(in("cg/cpu.max"), "nonsense\n");
    ck_assert_uint_eq(cgroup_cpus_max(group, mount), 2);
    mem_free(mount);
    mem_free(group);
}
END_TEST

START_TEST(own_group)
{
    make_machine();
    char *proc = mem_string(in("proc"));
    const struct {
        const char *text, *group;
    } cases[] = {{"0::/a/b\n", "/m/a/b"},       {"0::/\n", "/m/"}, {"1:x:/y\n0::/z", "/m/z"},
                 {"1:name=systemd:/y\n", NULL}, {"", NULL},        {"0::relative\n", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put(in("proc/self/cgroup"), cases[i].text);
        char *group = cgroup_own(proc, "/m");
        ck_assert_msg(cases[i].group ? group && strcmp(group, cases[i].group) == 0 : !group, "%s",
                      cases[i].text);
        mem_free(group);
    }
    mem_free(proc);
}
END_TEST

START_TEST(affinity_counts)
{
    make_machine();
    cpu_set_t all, one;
    ck_assert_int_eq(sched_getaffinity(0, sizeof all, &all), 0);
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all)) {
            CPU_SET(cpu, &one);
            break;
        }
    measure();
    ck_assert_uint_eq(sample.nproc, (uint64_t)CPU_COUNT(&all));
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    measure();
    ck_assert_uint_eq(sample.nproc, 1);
}
END_TEST

START_TEST(real_machine)
{
    struct capacity_setup setup = {.spool = scratch};
    struct capacity *capacity = capacity_new(&setup);
    capacity_sample(capacity);
    capacity_get(capacity, &sample);
    ck_assert_uint_gt(sample.mem_available_bytes, 1 << 20);
    ck_assert_uint_gt(sample.fd_headroom, 0);
    ck_assert_uint_gt(sample.pid_headroom, 0);
    ck_assert_uint_ge(sample.nproc, 1);
    capacity_free(capacity);
}
END_TEST

START_TEST(machine_has_a_name)
{
    char name[256], own[256] = "";
    machine_name(name, sizeof name);
    gethostname(own, sizeof own - 1);
    ck_assert_str_eq(name, own[0] ? own : "unknown");
    char tiny[2];
    machine_name(tiny, sizeof tiny);
    ck_assert_uint_le(strlen(tiny), 1);
#ifdef __x86_64__
    ck_assert_int_eq(machine_arch(), 1);
#endif
}
END_TEST

RUN_SUITE("capacity", figures_of_a_machine, more_descriptors_than_the_limit,
          processes_without_a_group_limit, processes_without_any_limit,
          defaults_for_what_cannot_be_read, quota_of_any_level_counts, own_group, affinity_counts,
          real_machine, machine_has_a_name)
