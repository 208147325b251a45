"""What the agent is to reach on a machine with two cores, and whether it did."""


def _p50(results, part, name):
    value = results.get(part, {}).get(name)
    return value.get("p50") if isinstance(value, dict) else value


def _p99(results, part, name):
    value = results.get(part, {}).get(name)
    return value.get("p99") if isinstance(value, dict) else None


# (part, measure, which figure, at most)
LIMITS = [(part, *rest) for part in ("load", "client", "large") for rest in (
    ("exec_sh_echo", _p50, 900),
    ("exec_argv_true", _p50, 600),
    ("read_512k", _p50, 600),
    ("flood_stat", _p99, 10000),
    ("flood_probe", _p99, 5000),
    ("flood_failed", _p50, 0),
    ("flood_wall_ms", _p50, 560),
)] + [
    ("idle", "fresh_rss_kib", _p50, 10 * 1024),
    ("idle", "fresh_private_kib", _p50, 5 * 1024),
    ("idle", "idle_wakeups_per_s", _p50, 2),
    ("after", "rss_kib", _p50, 12 * 1024),
    ("after", "private_kib", _p50, 6 * 1024),
    ("after", "threads", _p50, 8),
    ("binary", "stripped_bytes_agentd", _p50, 1000000),
]

# (measure, its floor, at most so many times the floor)
RATIOS = [("ping", "raw_echo", 1.05), ("stat", "echo_stat", 1.2), ("list", "echo_list", 1.3),
          ("exec_sh_echo", "echo_sh_echo", 1.1), ("exec_argv_true", "echo_true", 1.1)]

# The client of another hand knows one floor; for commands those of our own have to do.
CLIENT_FLOORS = {"echo_stat": "raw_echo", "echo_list": "raw_echo"}


def judge(results):
    """{(part, measure): text}. Ratios come under a name of their own, "RATIO <= GOAL ..."."""
    out = {}
    for part, name, figure, most in LIMITS:
        value = figure(results, part, name)
        if value is not None:
            which = "p99 " if figure is _p99 else ""
            out[part, name] = f"{which}<= {most}: {'reached' if value <= most else 'MISSED'}"
    for part in ("load", "client", "large"):
        for name, floor, most in RATIOS:
            if part == "client":
                floor = CLIENT_FLOORS.get(floor, floor)
            value = _p50(results, part, name)
            base = _p50(results, part, floor) or _p50(results, "load", floor)
            if value and base:
                ratio = round(value / base, 2)
                out[part, f"{name}/{floor}"] = \
                    f"{ratio:.2f} <= {most}: {'reached' if ratio <= most else 'MISSED'}"
    return out
