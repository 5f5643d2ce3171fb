"""All schedulers, as `lbctl bench schedulers` measures them."""

import memory

TITLE = "Schedulers"
NOTE = """As `lbctl bench schedulers`. Server i has the weight 1 + i mod 10. A pick alone, and with telling the
scheduler of one connection that opens and one that closes. The deviation is the largest of a server's picks from its share.
Disruption: how many of the other servers' clients `mh` moves when one server goes."""


def run(rounds=None, quick=False):
    return memory.measure("schedulers", rounds, quick)


def tables(results):
    head = ["scheduler", "servers", "picks/s", "ns a pick", "ns a connection", "deviation", "build, ms", "disruption"]
    return [(head, [[
        result["name"], result["servers"], round(result["picks_per_second"]), f"{result['seconds_per_pick'] * 1e9:.1f}",
        f"{result['seconds_per_connection'] * 1e9:.1f}", percentage(result, "evenness"),
        f"{result['mh_build_seconds'] * 1e3:.1f}" if "mh_build_seconds" in result else "",
        percentage(result, "mh_disruption")] for result in results])]


def percentage(result, key):
    return f"{result[key] * 100:.1f} %" if key in result else ""


def aims(results):
    many = [result for result in results if result["servers"] == 1_024]
    slowest = max(many, key=lambda result: result["seconds_per_pick"], default={})
    slowest_ns = slowest["seconds_per_pick"] * 1e9 if slowest else None
    yield f"the slowest pick over 1,024 servers ({slowest.get('name', '')}), ns", slowest_ns, "<=", 50, ""
    build = next((result["mh_build_seconds"] * 1e3 for result in many if result["name"] == "mh"), None)
    yield "building mh's table of 65,521 slots for 1,024 servers, ms", build, "<=", 5, ""
