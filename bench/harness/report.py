# SPDX-License-Identifier: Apache-2.0
"""What a run found, as a table, as JSON and as a plot; and which targets it met."""

import json
import shutil
import subprocess

OURS_NGINX = {"1k": 0.70, "10k": 0.75, "100k": 0.90, "1m": 0.90}
OURS_NGINX_TLS = {"1k": 0.80, "100k": 0.60, "1m": 0.60}
OURS_NGINX_HANDSHAKES = {"full": 1.0, "resumed": 0.9}
OURS_NGINX_HTTP2 = {"plain": {"1k": 0.80, "1m": 0.45}, "tls": {"1k": 0.85, "1m": 0.60}}
OURS_HTTP1 = {"plain": {"1m": 1.5}, "tls": {"1m": 1.15}}
OURS_FLOOR = 1.25
IDLE_TLS = 0.65
FLOOD_OF_FAIR = 0.8
COLD_RATIO = 2.0
WHERE = {"plain": "in the clear", "tls": "over TLS"}
ONE_NODE = 1.02
HANDOFF_US = 15


def check(result, name, value, target, at_least=False):
    result["targets"].append({"name": name, "value": value, "target": target,
                              "at_least": at_least,
                              "met": value >= target if at_least else value <= target})


def collect_targets(result):
    """Fills result["targets"] with every target that this run has a figure for."""
    result["targets"] = []
    for part, suffix in (("sizes", ""), ("log", ", access log")):
        for row in result.get(part, []):
            if row["ours_nginx"]:
                check(result, f"{row['size']} ours/nginx{suffix}", row["ours_nginx"]["median"],
                      OURS_NGINX[row["size"]])
            if row["ours_floor"]:
                check(result, f"{row['size']} ours/floor{suffix}", row["ours_floor"]["median"],
                      OURS_FLOOR)
    collect_tls(result)
    collect_http2(result)
    collect_locality(result)
    idle = result.get("idle", {}).get("plain", {})
    if "millrace" in idle and "nginx" in idle:
        check(result, "idle connection, bytes resident, ours (target: nginx's)",
              idle["millrace"]["per_connection"]["rss"], idle["nginx"]["per_connection"]["rss"])
    if "millrace" in result.get("many", {}):
        many = result["many"]["millrace"]
        lacking = max(0, many["connections"] - many["highest_accepted"])
        check(result, f"{many['connections']} connections: errors, or connections lacking",
              many["errors"] + lacking, 0)
    if "millrace" in result.get("cold", {}):
        check(result, "hot p99 beside cold reads / alone",
              result["cold"]["millrace"]["ratio"]["median"], COLD_RATIO)


def collect_locality(result):
    for row in result.get("locality", {}).get("one_node", []):
        if row["what"] != "connection":
            check(result, f"{row['what']}, one node: placing / silos none", row["ratio"]["median"],
                  ONE_NODE)
    if "locality" in result:
        check(result, "a hand-off between silos, microseconds",
              result["locality"]["handoff"]["us"]["median"], HANDOFF_US)


def collect_http2(result):
    for kind, rows in result.get("http2", {}).items():
        for row in rows:
            for key, targets, words in (
                    ("ours_nginx", OURS_NGINX_HTTP2, "ours/nginx"),
                    ("ours_http1", OURS_HTTP1, "ours/ours over HTTP/1.1")):
                if row[key] and row["size"] in targets[kind]:
                    check(result, f"{row['size']} HTTP/2 {WHERE[kind]}, {words}",
                          row[key]["median"], targets[kind][row["size"]])


def collect_tls(result):
    for part, targets, words in (("tls", OURS_NGINX_TLS, "over TLS"),
                                 ("handshakes", OURS_NGINX_HANDSHAKES, "handshake")):
        for row in result.get(part, []):
            if row["ours_nginx"] and row["size"] in targets:
                check(result, f"{row['size']} {words}, ours/nginx", row["ours_nginx"]["median"],
                      targets[row["size"]])
    idle = result.get("idle", {}).get("tls", {})
    if "millrace" in idle and "nginx" in idle:
        check(result, "idle TLS connection, resident, ours/nginx",
              idle["millrace"]["per_connection"]["rss"] / idle["nginx"]["per_connection"]["rss"],
              IDLE_TLS)
    if "millrace" in result.get("tls_flood", {}):
        check(result, "transfers beside a flood of handshakes, rate / fair rate",
              result["tls_flood"]["millrace"]["of_fair"]["median"], FLOOD_OF_FAIR, at_least=True)


def spread(r):
    return f"{r['median']:.2f} ({r['min']:.2f}-{r['max']:.2f})" if r else "-"


def cell(row, role, key, form):
    return form.format(row["median"][role][key]) if role in row["median"] else "-"


ROLES = ("millrace", "nginx", "floor")
ROLES_HTTP2 = ("millrace", "nginx", "h2o", "http1")


def size_table(rows, title, what="body", each="request", roles=ROLES):
    """The columns of a ratio are there for each of the roles but the first, which is ours."""
    def ratios(row, suffix=""):
        return " ".join(f"{spread(row[f'ours_{r}{suffix}']):>17}" for r in roles[1:])

    heads = " ".join(f"{'ours/' + r:>17}" for r in roles[1:])
    out = [f"{title}: server CPU per {each} in microseconds, median (ratios: median of the "
           "rounds, lowest-highest)",
           f"{what:>7} | {' '.join(f'{r:>8}' for r in roles)} | {heads} | both ends: {heads} | "
           f"{each}s/s"]
    for row in rows:
        us = " ".join(f"{cell(row, r, 'us', '{:.2f}'):>8}" for r in roles)
        rps = " / ".join(cell(row, r, "rps", "{:.0f}") for r in roles)
        out.append(f"{row['size']:>7} | {us} | {ratios(row)} | {'':>10} "
                   f"{ratios(row, '_both_ends')} | {rps}")
    return out


def idle_table(idle):
    out = ["Memory of an idle keep-alive connection that has served one request, bytes"]
    for kind, role, r in ((k, role, r) for k, roles in idle.items() for role, r in roles.items()):
        per = r["per_connection"]
        out.append(f"{kind:>5} {role:>9} | rss {per['rss']:.0f}  pss {per['pss']:.0f}  private "
                   f"{per['private']:.0f}  (over {r['connections']}; all together rss "
                   f"{r['before']['rss'] / 1024:.0f} -> {r['after']['rss'] / 1024:.0f} KiB)")
    return out


def flood_table(flood):
    out = ["Four transfers of a large file over TLS, alone and beside a flood of handshakes that "
           "never end"]
    for role, r in flood.items():
        out.append(f"{role:>9} | {r['alone']:.0f} MiB/s alone, {r['beside']:.0f} beside "
                   f"{r['handshakes_per_second']:.0f} handshakes/s "
                   f"({r['handshakes_per_second_alone']:.0f}/s without transfers), kept "
                   f"{spread(r['kept'])}, of the fair rate {spread(r['of_fair'])}")
    return out


def many_table(many):
    out = ["Many connections at once, 1k"]
    for role, r in many.items():
        out.append(f"{role:>9} | {r['connections']} asked, {r['highest_accepted']} held "
                   f"at once, {r['requests']} requests ({r['rps']:.0f}/s), "
                   f"{r['errors']} errors")
    return out


def cold_table(cold):
    out = ["Latency (p99) of hot 10k requests at a fixed rate, beside as many clients that read "
           "cold files from a throttled disk"]
    for role, r in cold.items():
        read = r["rounds"][-1]["beside"]["cold_bytes_per_second"] / 1e6
        out.append(f"{role:>9} | alone {r['alone_p99_us']:.0f} us, beside "
                   f"{r['beside_p99_us']:.0f} us, ratio {spread(r['ratio'])}, cold {read:.1f} MB/s")
    return out


def locality_table(found):
    out = ["What locality costs (server CPU)"]
    for row in found["one_node"]:
        each = "connection" if row["what"] == "connection" else "request"
        out.append(f"{row['what']:>10} | {row['us']['silos']:.2f} us per {each}, with silos none "
                   f"{row['us']['none']:.2f}, ratio {spread(row['ratio'])}")
    handed = found["handoff"]
    each = handed["each"]
    out.append(f"{'hand-off':>10} | {spread(handed['us'])} us ({handed['share']:.2f} of the connections "
               f"handed over: {each['handed']:.2f} us each, {each['stay']:.2f} where all stay, "
               f"{each['steered']:.2f} where all are steered)")
    return out


def target_table(targets):
    out = ["Targets"]
    for t in targets:
        out.append(f"  {'met   ' if t['met'] else 'MISSED'}  {t['name']}: {t['value']:.2f}, "
                   f"{'at least' if t['at_least'] else 'at most'} {t['target']:.2f}")
    return out


def text(result):
    """The whole report; the targets only if they were collected."""
    blocks = []
    if result.get("sizes"):
        blocks.append(size_table(result["sizes"], "Access log off"))
    if result.get("log"):
        blocks.append(size_table(result["log"], "Access log buffered (the floor has none)"))
    if result.get("tls"):
        blocks.append(size_table(result["tls"], f"TLS 1.3, {result['setup']['ciphersuite']}"))
    for kind, rows in (result.get("http2") or {}).items():
        blocks.append(size_table(rows, f"HTTP/2 {WHERE[kind]} (http1: ours without it)",
                                 roles=ROLES_HTTP2))
    if result.get("handshakes"):
        blocks.append(size_table(result["handshakes"], "TLS 1.3 connections, P-256, one request of "
                                 "1 KiB in each", "kind", "handshake"))
    for key, table in (("idle", idle_table), ("tls_flood", flood_table), ("many", many_table),
                       ("cold", cold_table), ("locality", locality_table)):
        if result.get(key):
            blocks.append(table(result[key]))
    if result["skipped"]:
        blocks.append(["Not measured"] + [f"  {k}: {v}" for k, v in result["skipped"].items()])
    if result.get("targets"):
        blocks.append(target_table(result["targets"]))
    return "\n\n".join("\n".join(b) for b in blocks)


PLOT = """\
set terminal pngcairo size 1100,620 font "sans,11"
set output "{png}"
set title "Server CPU per request or new connection, {rounds} rounds, {connections} at a time"
set ylabel "microseconds (logarithmic)"
set logscale y
set yrange [1:*]
set grid ytics
set key top left
set datafile missing "-"
set style data histogram
set style histogram clustered gap 1
set style fill solid 0.85 border -1
set boxwidth 0.9
plot {series}
"""


def plotted(result):
    """What has a server CPU figure, with its label."""
    http2 = result.get("http2", {})
    return [(words.format(row["size"]), row)
            for rows, words in ((result.get("sizes", []), "{}"), (result.get("tls", []), "{} TLS"),
                                (http2.get("plain", []), "{} h2"),
                                (http2.get("tls", []), "{} h2 TLS"),
                                (result.get("handshakes", []), "{} conn."))
            for row in rows]


def plot(result, out):
    """Writes plot.png, or says what is missing for it."""
    bars = plotted(result)
    if not bars:
        return "no sizes were measured, so there is no plot"
    if not shutil.which("gnuplot"):
        return "gnuplot is missing (apt install gnuplot-nox), so there is no plot"
    roles = [r for r in (*ROLES, "h2o") if any(r in row["median"] for _, row in bars)]
    lines = [" ".join([f'"{label}"'] + [cell(row, r, "us", "{:.3f}") for r in roles])
             for label, row in bars]
    data, script = out / "plot.dat", out / "plot.gp"
    data.write_text("\n".join(lines) + "\n")
    series = ", ".join(f'"{data}" using {i + 2}{":xtic(1)" if i == 0 else ""} title "{r}"'
                       for i, r in enumerate(roles))
    script.write_text(PLOT.format(png=out / "plot.png", series=series,
                                  rounds=result["setup"]["rounds"],
                                  connections=result["setup"]["connections"]))
    p = subprocess.run(["gnuplot", str(script)], capture_output=True, text=True, check=False)
    return f"gnuplot failed: {p.stderr.strip()}" if p.returncode else None


def save(result, out):
    (out / "result.json").write_text(json.dumps(result, indent=1) + "\n")
