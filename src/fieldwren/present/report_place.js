// What the report draws of a place: series, calendar, tables and pictures.

const UNIT = 10 ** -shared.digits;  // of the curve's whole numbers
const inIndex = (value) => fixed(value, shared.digits);
let printing = false;

// ---- the series

function ticks(from, to, width) {
  const most = Math.max(3, Math.floor(width / 62));
  if (to - from <= 60) {
    const step = Math.ceil((to - from) / most);
    return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => [from + i * step, iso(from + i * step).slice(5)]);
  }
  const [first, last] = [monthOf(from) + 1, monthOf(to)];
  const step = [1, 2, 3, 6, 12, 24, 60, 120, 600].find((n) => (last - first) / n < most) || 1200;
  const found = [];
  for (let month = Math.ceil(first / step) * step; month <= last; month += step) {
    const [year, k] = [Math.floor(month / 12), month % 12];
    found.push([dayOf(year, k), step >= 12 ? `${year}` : k === 0 || !found.length ? `${MONTHS[k]} ${year}` : MONTHS[k]]);
  }
  return found;
}

function levels(low, high) {
  const rough = (high - low) / 7, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) found.push([k * step, fixed(k * step, digits)]);
  return found;
}

function layout(place, width) {
  const { data, from, to } = place, narrow = width < 560;
  const lanes = shared.lanes.map((lane, k) => k).filter((k) => data.rows.lane.includes(k));
  const strips = [...lanes.map((k) => ({ lane: k, label: shared.lanes[k].label })),
    ...(data.anomalies.z || []).some((z) => z !== null) ? [{ label: "anomaly" }] : [], { label: "scene cloud", tall: true }];
  const [left, right, top, height] = [narrow ? 36 : 92, width - 10, 20, printing ? 220 : narrow ? 200 : 270];
  let base = top + height + 10;
  for (const strip of strips) {
    strip.text = narrow ? base + 9 : base + (strip.tall ? 18 : 11);
    strip.top = narrow ? base + 12 : base + 1;
    strip.height = strip.tall ? 26 : 12;
    base = strip.top + strip.height + 4;
  }
  const [low, high] = data.range;
  return { width, narrow, left, right, top, bottom: top + height, strips, base,
    x: (day) => clamp(left + (day - from) / (to - from) * (right - left), left, right),
    y: (value) => clamp(top + (high - value) / (high - low) * height, top, top + height) };
}

const dot = (x, y) => `${x.toFixed(1)} ${y.toFixed(1)}`;

function drawGrid(place, f) {
  const parts = [];
  for (const [value, label] of levels(...place.data.range)) {
    parts.push(s("path", { class: "grid", d: `M${f.left} ${f.y(value).toFixed(1)}H${f.right}` }));
    parts.push(s("text", { class: "end", x: f.left - 7, y: f.y(value) + 4 }, label));
  }
  for (const [day, label] of ticks(place.from, place.to, f.right - f.left)) {
    const x = f.x(day).toFixed(1);
    parts.push(s("path", { class: "grid", d: `M${x} ${f.top}V${f.base}` }));
    if (x > f.left + 12 && x < f.right - 12) parts.push(s("text", { class: "middle", x, y: f.base + 15 }, label));
  }
  return parts;
}

function drawSeasons({ data, from, to }, f) {
  const [areas, marks] = [[], []], { season, start, end, peak, peak_value: value } = data.seasons;
  const known = (peak || []).map((day, k) => k).filter((k) => peak[k] !== null);
  known.forEach((k, n) => {
    const a = start[k] ?? end[known[n - 1]] ?? data.first, b = end[k] ?? start[known[n + 1]] ?? data.last;
    if (b < from || a > to) return;
    const [left, right, name] = [f.x(a), f.x(b), text(season[k])];
    areas.push(s("rect", { class: "season", x: left, y: f.top, width: Math.max(0, right - left), height: f.bottom - f.top }));
    for (const edge of [start[k], end[k]]) if (edge !== null && edge >= from && edge <= to) {
      marks.push(s("path", { class: "season-edge", d: `M${f.x(edge)} ${f.top}V${f.bottom}` }));
    }
    if (right - left > 7 * name.length) marks.push(s("text", { class: "season-name middle", x: (left + right) / 2, y: f.top - 6 }, name));
    if (peak[k] >= from && peak[k] <= to && value[k] !== null) {
      marks.push(s("path", { class: "peak", d: `M${dot(f.x(peak[k]), f.y(value[k]) - 6)}l-5 -9h10z` }));
    }
  });
  return [...areas, ...marks];
}

function drawCurve({ data, from, to }, f) {
  const curve = data.curve;
  if (!curve) return [];
  const lines = { curve: "", guess: "" };
  const [upper, lower, parts] = [[], [], []];
  const inGap = (day) => curve.gaps.some(([a, b]) => day >= a && day <= b);
  const flush = () => {
    if (upper.length > 1) parts.push(s("path", { class: "band", d: `M${upper.join("L")}L${lower.reverse().join("L")}Z` }));
    upper.length = lower.length = 0;
  };
  let before = "", point = "";
  curve.value.forEach((value, k) => {
    const day = curve.start + k * curve.step;
    if (day < from - curve.step || day > to + curve.step) return;
    if (value === null) { before = ""; flush(); return; }
    const at = dot(f.x(day), f.y(value * UNIT)), kind = inGap(day) ? "guess" : "curve";
    lines[kind] += kind === before ? `L${at}` : before ? `M${point}L${at}` : `M${at}`;
    upper.push(dot(f.x(day), f.y((value + curve.above[k]) * UNIT)));
    lower.push(dot(f.x(day), f.y((value - curve.below[k]) * UNIT)));
    [before, point] = [kind, at];
  });
  flush();
  parts.push(usualLine(data, from, to, f));
  for (const [kind, d] of Object.entries(lines)) if (d) parts.push(s("path", { class: `curve ${kind}`, d }));
  return parts;
}

function usualLine({ anomalies }, from, to, f) {
  let [d, last] = ["", -99];
  (anomalies.date || []).forEach((day, k) => {
    if (anomalies.expected[k] === null || day + 5 < from || day + 5 > to) return;
    d += (day - last < 12 ? "L" : "M") + dot(f.x(day + 5), f.y(anomalies.expected[k]));
    last = day;
  });
  return d ? s("path", { class: "usual", d }) : null;
}

function drawStrips({ data, from, to }, f) {
  const parts = [], rows = data.rows;
  const inside = rows.date.map((day, k) => k).filter((k) => rows.date[k] >= from && rows.date[k] <= to && rows.status[k] !== "duplicate");
  for (const strip of f.strips) {
    parts.push(s("text", f.narrow ? { x: f.left, y: strip.text } : { class: "end", x: f.left - 7, y: strip.text }, strip.label));
    const low = strip.top + strip.height;
    if (strip.lane !== undefined) {
      const d = inside.filter((k) => rows.lane[k] === strip.lane).map((k) => `M${f.x(rows.date[k]).toFixed(1)} ${strip.top + 1}v${strip.height - 3}`);
      parts.push(s("path", { class: `lane lane-${strip.lane}`, d: d.join("") || "M0 0" }));
    } else if (strip.tall) {
      const d = inside.filter((k) => rows.cloud[k] !== null).map((k) => `M${f.x(rows.date[k]).toFixed(1)} ${low}v${(-rows.cloud[k] / 100 * strip.height).toFixed(1)}`);
      parts.push(s("path", { class: "bars", d: d.join("") || "M0 0" }), s("path", { class: "axis", d: `M${f.left} ${low}H${f.right}` }));
    } else {
      const { date, z } = data.anomalies;
      date.forEach((day, k) => {
        if (z[k] === null || day + 10 < from || day > to) return;
        parts.push(s("rect", { class: score(z[k]), x: f.x(day), y: strip.top, width: Math.max(.6, f.x(day + 10.2) - f.x(day)), height: strip.height - 1 }));
      });
    }
  }
  return parts;
}

function mark(status, x, y, r = 2.9) {
  if (status === "outlier") return s("path", { class: "outlier", d: `M${dot(x - 3.5, y - 3.5)}l7 7m0-7l-7 7` });
  return s("circle", { class: status === "ok" ? "clear" : "partly", cx: x.toFixed(1), cy: y.toFixed(1), r });
}

function drawPoints({ data, from, to }, f) {
  const [parts, targets, rows] = [[], [], data.rows];
  rows.date.forEach((day, k) => {
    const status = rows.status[k], strip = f.strips.find((one) => one.lane === rows.lane[k]);
    if (day < from || day > to) return;
    const drawn = status in POINTS && rows.value[k] !== null;
    if (!drawn && !(strip && rows.lane[k] >= 0)) return;
    const [x, y] = [f.x(day), drawn ? f.y(rows.value[k]) : strip.top + strip.height / 2];
    if (drawn) parts.push(mark(status, x, y));
    targets.push({ x, y, words: () => rowWords(data, k) });
  });
  return [parts, targets];
}

function rowWords(data, k) {
  const rows = data.rows, day = rows.date[k], lines = [iso(day)];
  const value = rows.value[k] === null ? "" : `${shared.index} ${inIndex(rows.value[k])}, `;
  lines.push(value + statusWords(rows.status[k]));
  if (rows.clear[k] !== null) lines.push(`clear part of the place ${rows.clear[k]} %`);
  if (rows.cloud[k] !== null) lines.push(`cloud in the scene ${rows.cloud[k]} %`);
  if (rows.reason[k] >= 0) lines.push(text(rows.reason[k]));
  const curve = data.curve, at = curve ? Math.round((day - curve.start) / curve.step) : -1;
  if (curve && at >= 0 && (curve.value[at] ?? null) !== null) {
    const ends = [curve.value[at] - curve.below[at], curve.value[at] + curve.above[at]].map((v) => inIndex(v * UNIT));
    lines.push(`curve ${inIndex(curve.value[at] * UNIT)} (${ends.join(" to ")})`);
  }
  const near = (data.anomalies.date || []).findLastIndex((start) => start <= day);
  if (near >= 0 && day - data.anomalies.date[near] < 11 && data.anomalies.z[near] !== null) {
    lines.push(`usual ${inIndex(data.anomalies.expected[near])}, anomaly ${fixed(data.anomalies.z[near], 1)}`);
  }
  return [...lines, text(rows.scene[k])].join("\n");
}

function drawSeries(place) {
  const f = layout(place, printing ? 720 : Math.max(280, place.frame.clientWidth));
  const [points, targets] = drawPoints(place, f);
  const svg = s("svg", { viewBox: `0 0 ${f.width} ${f.base + 20}`, "aria-hidden": "true" },
    ...drawSeasons(place, f), ...drawGrid(place, f), ...drawCurve(place, f), ...drawStrips(place, f), ...points);
  place.frame.replaceChildren(svg);
  place.shape = f;
  place.explore({ svg, targets: () => targets });
}

function legend(data) {
  const rows = data.rows, sample = (...shapes) => s("svg", { viewBox: "0 0 24 12", "aria-hidden": "true" }, ...shapes);
  const items = Object.keys(POINTS).filter((status) => rows.status.includes(status)).map((status) => [sample(mark(status, 12, 6)), POINTS[status]]);
  if (data.curve) {
    items.push([sample(s("rect", { class: "band", width: 24, height: 12 }), s("path", { class: "curve", d: "M0 6H24" })), "curve with its band (about 95 %)"]);
    if (data.curve.gaps.length) items.push([sample(s("path", { class: "curve guess", d: "M1 6H24" })), "gap: no clear date near, a guess"]);
  }
  if ((data.anomalies.expected || []).some((v) => v !== null)) items.push([sample(s("path", { class: "usual", d: "M0 6H24" })), "usual for the time of year"]);
  if ((data.seasons.peak || []).some((v) => v !== null)) items.push([sample(s("rect", { class: "season", width: 24, height: 12 }), s("path", { class: "peak", d: "M12 10l-5-8h10z" })), "season and its peak"]);
  return h("ul", { class: "key" }, ...items.map(([svg, words]) => h("li", {}, svg, words)));
}

function zoomTools(place) {
  const { data } = place, [a, b] = [yearOf(data.first), yearOf(data.last)];
  const select = h("select", { "aria-label": "Years shown" }, h("option", { value: "" }, "All years"));
  for (let year = a; year <= b; year++) select.append(h("option", { value: year }, `${year}`));
  place.zoom = (from, to, year = "") => {
    Object.assign(place, { from, to });
    if (year === null && !select.querySelector(".own")) select.append(h("option", { class: "own", value: "own" }, "As drawn"));
    if (year !== null) select.querySelector(".own")?.remove();
    select.value = year === null ? "own" : year;
    drawSeries(place);
  };
  const go = (year) => year === "" ? place.zoom(data.first, data.last) : place.zoom(dayOf(+year, 0), dayOf(+year + 1, 0), `${year}`);
  const step = (by, from) => go(clamp(Number(select.value) ? +select.value + by : from, a, b));
  select.addEventListener("change", () => { if (select.value !== "own") go(select.value); });
  return h("div", { class: "tools zoom" }, button("\u2039", "Earlier year", () => step(-1, b)), select, button("\u203a", "Later year", () => step(1, a)),
    h("span", { class: "soft" }, "or drag over the series"));
}

function brush(place) {
  let start = null, box = null;
  const at = (event) => clamp(event.clientX - place.frame.getBoundingClientRect().left, place.shape.left, place.shape.right);
  const day = (x) => place.from + (x - place.shape.left) / (place.shape.right - place.shape.left) * (place.to - place.from);
  place.frame.addEventListener("pointerdown", (event) => { if (event.pointerType !== "touch" && event.button === 0) start = at(event); });
  place.frame.addEventListener("pointermove", (event) => {
    if (start === null || Math.abs(at(event) - start) < 6) return;
    box ||= place.frame.firstChild.appendChild(s("rect", { class: "brush", y: place.shape.top }));
    fill(box, { x: Math.min(start, at(event)), width: Math.abs(at(event) - start), height: place.shape.base - place.shape.top }, []);
  });
  window.addEventListener("pointerup", (event) => {
    if (box) {
      const [from, to] = [start, at(event)].map(day).sort((p, q) => p - q);
      if (to - from > 10) place.zoom(Math.floor(from), Math.ceil(to), null); else box.remove();
    }
    start = box = null;
  });
}

// ---- the calendar of passes

function drawCalendar(place) {
  const { data } = place, rows = data.rows;
  const width = printing ? 720 : Math.max(280, place.calendar.clientWidth), left = 40, row = 19, top = 18;
  const [a, b] = [yearOf(data.first), yearOf(data.last)], month = (width - left - 2) / 12;
  const svg = s("svg", { viewBox: `0 0 ${width} ${top + (b - a + 1) * row + 2}`, "aria-hidden": "true" });
  const x = (day) => left + (monthOf(day) % 12 + (+iso(day).slice(8) - .5) / 31) * month;
  const y = (day) => top + (yearOf(day) - a) * row;
  MONTHS.forEach((name, k) => svg.append(s("text", { class: "middle", x: left + (k + .5) * month, y: 12 }, month < 34 ? name[0] : name)));
  for (let year = a; year <= b; year++) svg.append(s("text", { class: "end", x: left - 7, y: top + (year - a) * row + 13 }, `${year}`));
  const byMonth = new Map();
  rows.date.forEach((day, k) => {
    if (rows.status[k] !== "duplicate") byMonth.set(monthOf(day), [...(byMonth.get(monthOf(day)) || []), k]);
  });
  const targets = [];
  for (let m = monthOf(data.first); m <= monthOf(data.last); m++) {
    const found = byMonth.get(m) || [], clear = found.filter((k) => rows.status[k] === "ok").length;
    const [cx, cy] = [left + m % 12 * month, top + (Math.floor(m / 12) - a) * row];
    svg.append(s("rect", { class: clear ? "seen" : "unseen", x: cx + .5, y: cy + .5, width: month - 1, height: row - 1 }));
    targets.push({ x: cx + month / 2, y: cy + row / 2, words: () => monthWords(data, m, found, clear) });
  }
  for (const k of [...byMonth.values()].flat()) {
    const [px, py, status] = [x(rows.date[k]), y(rows.date[k]), rows.status[k]];
    if (status in POINTS) svg.append(mark(status, px, py + row / 2, month < 34 ? 2.1 : 2.9));
    else svg.append(s("path", { class: `lane lane-${rows.lane[k]}`, d: `M${dot(px, py + 5)}v${row - 10}` }));
  }
  place.calendar.replaceChildren(svg);
  place.exploreCalendar({ svg, targets: () => targets });
}

function monthWords(data, m, found, clear) {
  const at = (data.months.month || []).findIndex((day) => monthOf(day) === m);
  const expected = at < 0 ? null : data.months.expected[at];
  const lines = [`${MONTHS[m % 12]} ${Math.floor(m / 12)}`, `${expected === null ? "" : `${fixed(expected, 0)} passes expected, `}${found.length} found, ${clear} clear`];
  for (const k of found.slice(0, 10)) {
    const value = data.rows.value[k];
    lines.push(`${iso(data.rows.date[k]).slice(5)}  ${statusWords(data.rows.status[k])}${value === null ? "" : ` ${inIndex(value)}`}`);
  }
  if (found.length > 10) lines.push(`and ${found.length - 10} more`);
  return lines.join("\n");
}

// ---- tables and pictures

function grid(label, heads, rows) {
  const line = (cells, name) => h("tr", {}, ...cells.map((cell, k) => h(name, { class: heads[k][1] || "", ...(name === "th" ? { scope: "col" } : {}) }, cell)));
  return h("div", { class: "scroll rows", tabindex: 0, role: "region", "aria-label": label },
    h("table", {}, h("thead", {}, line(heads.map(([name]) => name), "th")), h("tbody", {}, ...rows.map((cells) => line(cells, "td")))));
}
const painted = (value, digits, name) => value === null ? "" : h("span", { class: `v ${name}` }, fixed(value, digits));
const date = (day) => day === null || day === undefined ? "" : iso(day);

function folded(label, build) {
  const made = h("details", {}, h("summary", {}, label));
  made.addEventListener("toggle", () => { if (made.children.length === 1) made.append(build()); });
  return made;
}

function seasonsTable({ seasons: t }) {
  const known = (t.peak || []).map((day, k) => k).filter((k) => t.peak[k] !== null);
  const notes = (t.note || []).map((note, k) => text(note) && (known.includes(k) ? `${text(t.season[k])}: ` : "") + text(note)).filter(Boolean);
  const parts = [h("h4", {}, "Seasons")];
  if (known.length) {
    const heads = [["Season"], ["Start", "d"], ["Peak", "d"], ["End", "d"], ["Days", "n"], ["Base", "n"], ["Amplitude", "n"], ["Peak value", "n"], ["Greening / day", "n"], ["Senescing / day", "n"], ["Integral", "n"]];
    parts.push(grid("Seasons", heads, known.map((k) => [text(t.season[k]), date(t.start[k]), date(t.peak[k]), date(t.end[k]), fixed(t.length[k], 0), inIndex(t.base[k]),
      inIndex(t.amplitude[k]), inIndex(t.peak_value[k]), fixed(t.greening[k], shared.digits + 1), fixed(t.senescing[k], shared.digits + 1), fixed(t.integral[k], Math.max(0, shared.digits - 2))])));
    const methods = [...new Set(known.map((k) => text(t.method[k])).filter(Boolean))];
    if (methods.length) parts.push(h("p", { class: "soft" }, `Method: ${methods.join(", ")}.`));
  }
  return [...parts, ...notes.map((note) => h("p", { class: "soft" }, note)), known.length || notes.length ? null : h("p", { class: "soft" }, "No season was found.")];
}

function anomalyTable({ anomalies: t }) {
  const heads = [["Ten days from", "d"], [shared.index, "n"], ["Usual", "n"], ["Anomaly", "n"], ["Percentile", "n"], ["VCI", "n"], ["Years", "n"], ["Note", "w"]];
  const order = t.date.map((day, k) => k).sort((i, j) => t.date[j] - t.date[i]);
  return grid("Anomalies", heads, order.map((k) => [iso(t.date[k]), painted(t.value[k], shared.digits, shade("v", shared.shades, t.value[k])), inIndex(t.expected[k]), painted(t.z[k], 1, score(t.z[k])),
    fixed(t.percentile[k], 0), fixed(t.vci[k], 0), fixed(t.years[k], 0), text(t.note[k])]));
}

function rowsTable({ rows }) {
  const heads = [["Date", "d"], ["Status", "d"], [shared.index, "n"], ["Clear", "n"], ["Scene cloud", "n"], ["Scene", "id"], ["Reason", "w"]];
  const percent = (value) => value === null ? "" : `${value} %`;
  const order = rows.date.map((day, k) => k).reverse();
  return grid("Observations", heads, order.map((k) => [iso(rows.date[k]), rows.status[k].replace("_", " "), painted(rows.value[k], shared.digits, shade("v", shared.shades, rows.value[k])),
    percent(rows.clear[k]), percent(rows.cloud[k]), text(rows.scene[k]), text(rows.reason[k])]));
}

function pictures(id) {
  const block = byId(`${id}-pictures`);
  if (!block) return [];
  const image = (bytes, words) => bytes && h("img", { src: `data:image/png;base64,${bytes}`, alt: words, loading: "lazy" });
  return [h("h4", {}, "Pictures"), h("div", { class: "chips" }, ...JSON.parse(block.textContent).map((one) => h("figure", {},
    h("div", { class: "pair" }, image(one.index, `${shared.index} on ${one.date}`), image(one.colour, `True colour on ${one.date}`)),
    h("figcaption", {}, h("b", {}, one.date), ` ${one.caption} `, h("span", { class: "id" }, one.scene)))))];
}

// ---- a place

function read(id) {
  const data = JSON.parse(byId(`${id}-data`).textContent), rows = data.rows;
  rows.status = rows.status.map((number) => shared.statuses[number]);
  rows.lane = rows.status.map(laneOf);
  const days = [...rows.date, ...data.curve ? [data.curve.start, data.curve.start + data.curve.step * (data.curve.value.length - 1)] : []];
  if (days.length) {
    const [first, last] = [Math.min(...days), Math.max(...days)], margin = Math.max(4, Math.floor((last - first) / 90));
    Object.assign(data, { first: first - margin, last: last + margin });
  }
  return data;
}

function render(place) {
  if (place.data) return;
  const { section } = place, live = section.querySelector(".live"), name = section.querySelector("h3").textContent;
  const data = place.data = read(section.id);
  if (data.first !== undefined) {
    Object.assign(place, { from: data.first, to: data.last, frame: h("div", { class: "frame" }), calendar: h("div", { class: "frame" }) });
    place.explore = explore(place.frame, `Series of ${name}: arrow keys read the observations one by one`);
    place.exploreCalendar = explore(place.calendar, `Calendar of ${name}: arrow keys read the months one by one`);
    live.append(h("div", { class: "bar series" }, h("h4", {}, "Series"), zoomTools(place)), place.frame, legend(data),
      h("h4", {}, "Calendar of passes"), place.calendar,
      h("p", { class: "soft" }, "Months with a clear date are green, those without one sand; bars are rejected passes, coloured as in the series."));
    brush(place);
    draw(place);
  }
  live.append(...[...pictures(section.id), ...seasonsTable(data)].filter(Boolean));
  if ((data.anomalies.date || []).length) live.append(folded(`Anomalies of ${data.anomalies.date.length} ten-day periods`, () => anomalyTable(data)));
  if (data.rows.date.length) live.append(folded(`All ${data.rows.date.length} observations`, () => rowsTable(data)));
}

function draw(place) {
  if (!place.frame) return;
  drawSeries(place);
  drawCalendar(place);
  place.width = place.frame.clientWidth;
}

