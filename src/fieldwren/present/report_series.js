// The series of a place: observations, curve, seasons, rejected passes, anomalies, scene cloud.

const UNIT = 10 ** -shared.digits; // of the curve's whole numbers
const inIndex = (value) => fixed(value, shared.digits);
let printing = false;

function ticks(from, to, width) {
  const most = Math.max(3, Math.floor(width / 62));
  if (to - from <= 60) {
    const step = Math.ceil((to - from) / most);
    return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => [
      from + i * step,
      iso(from + i * step).slice(5),
    ]);
  }
  const [first, last] = [monthOf(from) + 1, monthOf(to)];
  const step = [1, 2, 3, 6, 12, 24, 60, 120, 600].find((n) => (last - first) / n < most) || 1200;
  const found = [];
  for (let month = Math.ceil(first / step) * step; month <= last; month += step) {
    const [year, k] = [Math.floor(month / 12), month % 12];
    found.push([
      dayOf(year, k),
      step >= 12 ? `${year}` : k === 0 || !found.length ? `${MONTHS[k]} ${year}` : MONTHS[k],
    ]);
  }
  return found;
}

function levels(low, high) {
  const rough = (high - low) / 7,
    power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++)
    found.push([k * step, fixed(k * step, digits)]);
  return found;
}

function layout(place, width) {
  const { data, from, to } = place,
    narrow = width < 560;
  const lanes = shared.lanes.map((lane, k) => k).filter((k) => data.rows.lane.includes(k));
  const strips = [
    ...lanes.map((k) => ({ lane: k, label: shared.lanes[k].label })),
    ...((data.anomalies.z || []).some((z) => z !== null) ? [{ label: "anomaly" }] : []),
    { label: "scene cloud", tall: true },
  ];
  const [left, right, top, height] = [
    narrow ? 36 : 92,
    width - 10,
    20,
    printing ? 220 : narrow ? 200 : 270,
  ];
  let base = top + height + 10;
  for (const strip of strips) {
    strip.text = narrow ? base + 9 : base + (strip.tall ? 18 : 11);
    strip.top = narrow ? base + 12 : base + 1;
    strip.height = strip.tall ? 26 : 12;
    base = strip.top + strip.height + 4;
  }
  const [low, high] = data.range;
  return {
    width,
    narrow,
    left,
    right,
    top,
    bottom: top + height,
    strips,
    base,
    x: (day) => clamp(left + ((day - from) / (to - from)) * (right - left), left, right),
    y: (value) => clamp(top + ((high - value) / (high - low)) * height, top, top + height),
  };
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
    if (x > f.left + 12 && x < f.right - 12)
      parts.push(s("text", { class: "middle", x, y: f.base + 15 }, label));
  }
  return parts;
}

// The first and the last day around a day on which the curve is known: gaps of most of a year part it.
function knownAround({ start, step, value }, day) {
  const at = Math.max(0, Math.min(value.length - 1, Math.round((day - start) / step)));
  const known = (k) => (value[k] ?? null) !== null;
  let [a, b] = [at, at];
  while (known(a - 1)) a--;
  while (known(b + 1)) b++;
  return [start + a * step, start + b * step];
}

function drawSeasons({ data, from, to }, f) {
  const [areas, marks] = [[], []],
    { season, start, end, peak, peak_value: value } = data.seasons;
  const known = (peak || []).map((day, k) => k).filter((k) => peak[k] !== null);
  known.forEach((k) => {
    const [first, last] = knownAround(data.curve, peak[k]);
    const a = start[k] ?? first,
      b = end[k] ?? last;
    if (b < from || a > to) return;
    const [left, right, name] = [f.x(a), f.x(b), text(season[k])];
    areas.push(
      s("rect", {
        class: "season",
        x: left,
        y: f.top,
        width: Math.max(0, right - left),
        height: f.bottom - f.top,
      }),
    );
    for (const edge of [start[k], end[k]])
      if (edge !== null && edge >= from && edge <= to) {
        marks.push(s("path", { class: "season-edge", d: `M${f.x(edge)} ${f.top}V${f.bottom}` }));
      }
    if (right - left > 7 * name.length)
      marks.push(
        s("text", { class: "season-name middle", x: (left + right) / 2, y: f.top - 6 }, name),
      );
    if (peak[k] >= from && peak[k] <= to && value[k] !== null) {
      marks.push(
        s("path", { class: "peak", d: `M${dot(f.x(peak[k]), f.y(value[k]) - 6)}l-5 -9h10z` }),
      );
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
    if (upper.length > 1)
      parts.push(
        s("path", { class: "band", d: `M${upper.join("L")}L${lower.reverse().join("L")}Z` }),
      );
    upper.length = lower.length = 0;
  };
  let before = "",
    point = "";
  curve.value.forEach((value, k) => {
    const day = curve.start + k * curve.step;
    if (day < from - curve.step || day > to + curve.step) return;
    if (value === null) {
      before = "";
      flush();
      return;
    }
    const at = dot(f.x(day), f.y(value * UNIT)),
      kind = inGap(day) ? "guess" : "curve";
    lines[kind] += kind === before ? `L${at}` : before ? `M${point}L${at}` : `M${at}`;
    upper.push(dot(f.x(day), f.y((value + curve.above[k]) * UNIT)));
    lower.push(dot(f.x(day), f.y((value - curve.below[k]) * UNIT)));
    [before, point] = [kind, at];
  });
  flush();
  parts.push(usualLine(data, from, to, f));
  for (const [kind, d] of Object.entries(lines))
    if (d) parts.push(s("path", { class: `curve ${kind}`, d }));
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
  const parts = [],
    rows = data.rows;
  const inside = rows.date
    .map((day, k) => k)
    .filter((k) => rows.date[k] >= from && rows.date[k] <= to && rows.status[k] !== "duplicate");
  for (const strip of f.strips) {
    parts.push(
      s(
        "text",
        f.narrow ? { x: f.left, y: strip.text } : { class: "end", x: f.left - 7, y: strip.text },
        strip.label,
      ),
    );
    const low = strip.top + strip.height;
    if (strip.lane !== undefined) {
      const d = inside
        .filter((k) => rows.lane[k] === strip.lane)
        .map((k) => `M${f.x(rows.date[k]).toFixed(1)} ${strip.top + 1}v${strip.height - 3}`);
      parts.push(s("path", { class: `lane lane-${strip.lane}`, d: d.join("") || "M0 0" }));
    } else if (strip.tall) {
      const d = inside
        .filter((k) => rows.cloud[k] !== null)
        .map(
          (k) =>
            `M${f.x(rows.date[k]).toFixed(1)} ${low}v${((-rows.cloud[k] / 100) * strip.height).toFixed(1)}`,
        );
      parts.push(
        s("path", { class: "bars", d: d.join("") || "M0 0" }),
        s("path", { class: "axis", d: `M${f.left} ${low}H${f.right}` }),
      );
    } else {
      const { date, z } = data.anomalies,
        boxes = {};
      date.forEach((day, k) => {
        if (z[k] === null || day + 10 < from || day > to) return;
        const wide = Math.max(0.6, f.x(day + 10.2) - f.x(day)).toFixed(1);
        boxes[score(z[k])] ??= "";
        boxes[score(z[k])] += `M${dot(f.x(day), strip.top)}h${wide}v${strip.height - 1}h${-wide}z`;
      });
      for (const [name, d] of Object.entries(boxes)) parts.push(s("path", { class: name, d }));
    }
  }
  return parts;
}

const beyond = ({ range: [low, high] }, value) =>
  value !== null && (value < low || value > high);

// The marks of observations, a path for each look; dots are the round caps of lines without length.
// A report of many places has few elements so, and prints in a fifth of the time.
const LOOKS = { ok: "clear", low_coverage: "partly", outlier: "outlier" };
const SHAPES = { outlier: "m-3.5-3.5l7 7m0-7l-7 7", above: "l4 7h-8z", below: "l4-7h-8z" };

function marks(points, r = 2.9) {
  const paths = new Map();
  for (const { status, x, y, edge } of points) {
    const look = edge ? `beyond ${LOOKS[status]}` : LOOKS[status];
    const drawn = `M${dot(x, y)}${SHAPES[edge || status] || "h0"}`;
    paths.set(look, (paths.get(look) || "") + drawn);
  }
  return [...paths].flatMap(([look, d]) => {
    const path = (name, width) => s("path", { class: name, d, "stroke-width": width });
    if (look === "clear") return path(look, 2 * r);
    if (look === "partly") return [path("partly", 2 * r + 1.4), path("hole", 2 * r - 1.4)];
    return s("path", { class: look, d });
  });
}
const mark = (status, edge) => marks([{ status, x: 12, y: edge ? 2 : 6, edge }]);

function drawPoints({ data, from, to }, f) {
  const [points, targets, rows] = [[], [], data.rows];
  rows.date.forEach((day, k) => {
    const status = rows.status[k],
      strip = f.strips.find((one) => one.lane === rows.lane[k]);
    if (day < from || day > to) return;
    const drawn = status in POINTS && rows.value[k] !== null;
    if (!drawn && !(strip && rows.lane[k] >= 0)) return;
    const [x, y] = [f.x(day), drawn ? f.y(rows.value[k]) : strip.top + strip.height / 2];
    const edge = beyond(data, rows.value[k]) && (rows.value[k] > data.range[1] ? "above" : "below");
    if (drawn) points.push({ status, x, y, edge });
    targets.push({ x, y, words: () => rowWords(data, k) });
  });
  return [marks(points, f.narrow ? 2.2 : 2.9), targets];
}

function rowWords(data, k) {
  const rows = data.rows,
    day = rows.date[k],
    lines = [iso(day)];
  const value = rows.value[k] === null ? "" : `${shared.index} ${inIndex(rows.value[k])}, `;
  lines.push(value + statusWords(rows.status[k]));
  if (rows.status[k] in POINTS && beyond(data, rows.value[k])) lines.push("beyond the axis");
  if (rows.clear[k] !== null) lines.push(`clear part of the place ${rows.clear[k]} %`);
  if (rows.cloud[k] !== null) lines.push(`cloud in the scene ${rows.cloud[k]} %`);
  if (rows.reason[k] >= 0) lines.push(text(rows.reason[k]));
  const curve = data.curve,
    at = curve ? Math.round((day - curve.start) / curve.step) : -1;
  if (curve && at >= 0 && (curve.value[at] ?? null) !== null) {
    const ends = [curve.value[at] - curve.below[at], curve.value[at] + curve.above[at]].map((v) =>
      inIndex(v * UNIT),
    );
    lines.push(`curve ${inIndex(curve.value[at] * UNIT)} (${ends.join(" to ")})`);
  }
  const near = (data.anomalies.date || []).findLastIndex((start) => start <= day);
  if (near >= 0 && day - data.anomalies.date[near] < 11 && data.anomalies.z[near] !== null) {
    lines.push(
      `usual ${inIndex(data.anomalies.expected[near])}, anomaly ${fixed(data.anomalies.z[near], 1)}`,
    );
  }
  return [...lines, text(rows.scene[k])].join("\n");
}

function drawSeries(place) {
  const f = layout(place, printing ? 720 : Math.max(280, place.frame.clientWidth));
  const [points, targets] = drawPoints(place, f);
  const svg = s(
    "svg",
    { viewBox: `0 0 ${f.width} ${f.base + 20}`, "aria-hidden": "true" },
    ...drawSeasons(place, f),
    ...drawGrid(place, f),
    ...drawCurve(place, f),
    ...drawStrips(place, f),
    ...points,
  );
  place.frame.replaceChildren(svg);
  place.shape = f;
  place.explore({ svg, targets: () => targets });
}

function legend(data) {
  const rows = data.rows,
    sample = (...shapes) => s("svg", { viewBox: "0 0 24 12", "aria-hidden": "true" }, ...shapes);
  const items = Object.keys(POINTS)
    .filter((status) => rows.status.includes(status))
    .map((status) => [sample(...mark(status)), POINTS[status]]);
  if (rows.value.some((v, k) => rows.status[k] in POINTS && beyond(data, v)))
    items.push([sample(...mark("ok", "above")), "beyond the axis"]);
  if (data.curve) {
    const band = data.curve.above.some((v) => v !== null);
    items.push([
      sample(
        ...(band ? [s("rect", { class: "band", width: 24, height: 12 })] : []),
        s("path", { class: "curve", d: "M0 6H24" }),
      ),
      band ? "curve with its band (about 95 %)" : "curve",
    ]);
    if (data.curve.gaps.length)
      items.push([
        sample(s("path", { class: "curve guess", d: "M1 6H24" })),
        "gap: no clear date near, a guess",
      ]);
  }
  if ((data.anomalies.expected || []).some((v) => v !== null))
    items.push([sample(s("path", { class: "usual", d: "M0 6H24" })), "usual for the time of year"]);
  if ((data.seasons.peak || []).some((v) => v !== null))
    items.push([
      sample(
        s("rect", { class: "season", width: 24, height: 12 }),
        s("path", { class: "peak", d: "M12 10l-5-8h10z" }),
      ),
      "season and its peak",
    ]);
  return h("ul", { class: "key" }, ...items.map(([svg, words]) => h("li", {}, svg, words)));
}

function zoomTools(place) {
  const { data } = place,
    [a, b] = [yearOf(data.begin), yearOf(data.end)];
  const select = h(
    "select",
    { "aria-label": "Years shown" },
    h("option", { value: "" }, "All years"),
  );
  for (let year = a; year <= b; year++) select.append(h("option", { value: year }, `${year}`));
  place.zoom = (from, to, year = "") => {
    Object.assign(place, { from, to });
    if (year === null && !select.querySelector(".own"))
      select.append(h("option", { class: "own", value: "own" }, "As drawn"));
    if (year !== null) select.querySelector(".own")?.remove();
    select.value = year === null ? "own" : year;
    drawSeries(place);
  };
  const go = (year) =>
    year === ""
      ? place.zoom(data.first, data.last)
      : place.zoom(dayOf(+year, 0), dayOf(+year + 1, 0), `${year}`);
  const step = (by, from) => go(clamp(Number(select.value) ? +select.value + by : from, a, b));
  select.addEventListener("change", () => {
    if (select.value !== "own") go(select.value);
  });
  return h(
    "div",
    { class: "tools zoom" },
    button("\u2039", "Earlier year", () => step(-1, b)),
    select,
    button("\u203a", "Later year", () => step(1, a)),
    h("span", { class: "soft" }, "or drag over the series"),
  );
}

function brush(place) {
  let start = null,
    box = null;
  const at = (event) =>
    clamp(
      event.clientX - place.frame.getBoundingClientRect().left,
      place.shape.left,
      place.shape.right,
    );
  const day = (x) =>
    place.from +
    ((x - place.shape.left) / (place.shape.right - place.shape.left)) * (place.to - place.from);
  place.frame.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "touch" && event.button === 0) start = at(event);
  });
  place.frame.addEventListener("pointermove", (event) => {
    if (start === null || Math.abs(at(event) - start) < 6) return;
    box ||= place.frame.firstChild.appendChild(s("rect", { class: "brush", y: place.shape.top }));
    fill(
      box,
      {
        x: Math.min(start, at(event)),
        width: Math.abs(at(event) - start),
        height: place.shape.base - place.shape.top,
      },
      [],
    );
  });
  window.addEventListener("pointerup", (event) => {
    if (box) {
      const [from, to] = [start, at(event)].map(day).sort((p, q) => p - q);
      if (to - from > 10) place.zoom(Math.floor(from), Math.ceil(to), null);
      else box.remove();
    }
    start = box = null;
  });
}
