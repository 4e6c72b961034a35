// What the report shows of a place beside its series: calendar, tables and pictures.

// ---- the calendar of passes

function drawCalendar(place) {
  const { data } = place,
    rows = data.rows;
  const width = printing ? 720 : Math.max(280, place.calendar.clientWidth),
    left = 40,
    row = 19,
    top = 18;
  const [a, b] = [yearOf(data.begin), yearOf(data.end)],
    month = (width - left - 2) / 12;
  const svg = s("svg", {
    viewBox: `0 0 ${width} ${top + (b - a + 1) * row + 2}`,
    "aria-hidden": "true",
  });
  const x = (day) => left + ((monthOf(day) % 12) + (+iso(day).slice(8) - 0.5) / 31) * month;
  const y = (day) => top + (yearOf(day) - a) * row;
  MONTHS.forEach((name, k) =>
    svg.append(
      s(
        "text",
        { class: "middle", x: left + (k + 0.5) * month, y: 12 },
        month < 34 ? name[0] : name,
      ),
    ),
  );
  for (let year = a; year <= b; year++)
    svg.append(s("text", { class: "end", x: left - 7, y: top + (year - a) * row + 13 }, `${year}`));
  const byMonth = new Map();
  rows.date.forEach((day, k) => {
    if (rows.status[k] !== "duplicate")
      byMonth.set(monthOf(day), [...(byMonth.get(monthOf(day)) || []), k]);
  });
  const [targets, points, boxes, lanes] = [[], [], { seen: "", unseen: "" }, {}];
  for (let m = monthOf(data.begin); m <= monthOf(data.end); m++) {
    const found = byMonth.get(m) || [],
      clear = found.filter((k) => rows.status[k] === "ok").length;
    const [cx, cy] = [left + (m % 12) * month, top + (Math.floor(m / 12) - a) * row];
    const wide = (month - 1).toFixed(1);
    boxes[clear ? "seen" : "unseen"] +=
      `M${dot(cx + 0.5, cy + 0.5)}h${wide}v${row - 1}h${-wide}z`;
    targets.push({
      x: cx + month / 2,
      y: cy + row / 2,
      words: () => monthWords(data, m, found, clear),
    });
  }
  for (const k of [...byMonth.values()].flat()) {
    const [px, py, status] = [x(rows.date[k]), y(rows.date[k]), rows.status[k]];
    if (status in POINTS) points.push({ status, x: px, y: py + row / 2 });
    else lanes[rows.lane[k]] = `${lanes[rows.lane[k]] || ""}M${dot(px, py + 5)}v${row - 10}`;
  }
  svg.append(
    ...Object.entries(boxes).map(([name, d]) => s("path", { class: name, d })),
    ...Object.entries(lanes).map(([k, d]) => s("path", { class: `lane lane-${k}`, d })),
    ...marks(points, month < 34 ? 2.1 : 2.9),
  );
  place.calendar.replaceChildren(svg);
  place.exploreCalendar({ svg, targets: () => targets });
}

function monthWords(data, m, found, clear) {
  const at = (data.months.month || []).findIndex((day) => monthOf(day) === m);
  const expected = at < 0 ? null : data.months.expected[at];
  const lines = [
    `${MONTHS[m % 12]} ${Math.floor(m / 12)}`,
    `${expected === null ? "" : `${fixed(expected, 0)} passes expected, `}${found.length} found, ${clear} clear`,
  ];
  for (const k of found.slice(0, 10)) {
    const value = data.rows.value[k];
    lines.push(
      `${iso(data.rows.date[k]).slice(5)}  ${statusWords(data.rows.status[k])}${value === null ? "" : ` ${inIndex(value)}`}`,
    );
  }
  if (found.length > 10) lines.push(`and ${found.length - 10} more`);
  return lines.join("\n");
}

// ---- tables and pictures

function grid(label, heads, rows) {
  const line = (cells, name) =>
    h(
      "tr",
      {},
      ...cells.map((cell, k) =>
        h(name, { class: heads[k][1] || "", ...(name === "th" ? { scope: "col" } : {}) }, cell),
      ),
    );
  return h(
    "div",
    { class: "scroll rows", tabindex: 0, role: "region", "aria-label": label },
    h(
      "table",
      {},
      h(
        "thead",
        {},
        line(
          heads.map(([name]) => name),
          "th",
        ),
      ),
      h("tbody", {}, ...rows.map((cells) => line(cells, "td"))),
    ),
  );
}
const painted = (value, digits, name) =>
  value === null ? "" : h("span", { class: `v ${name}` }, fixed(value, digits));
const date = (day) => (day === null || day === undefined ? "" : iso(day));

function folded(label, build) {
  const made = h("details", {}, h("summary", {}, label));
  made.addEventListener("toggle", () => {
    if (made.children.length === 1) made.append(build());
  });
  return made;
}

const sentence = (clause) => `${clause[0].toUpperCase()}${clause.slice(1)}.`;

function seasonsTable({ seasons: t }) {
  const known = (t.peak || []).map((day, k) => k).filter((k) => t.peak[k] !== null);
  const notes = (t.note || [])
    .map((note, k) => {
      if (!text(note)) return "";
      if (known.includes(k)) return `${text(t.season[k])}: ${text(note)}`;
      return t.start[k] === null ? sentence(text(note)) : `From ${iso(t.start[k])}: ${text(note)}`;
    })
    .filter(Boolean);
  const parts = [h("h4", {}, "Seasons")];
  if (known.length) {
    const heads = [
      ["Season"],
      ["Start", "d"],
      ["Peak", "d"],
      ["End", "d"],
      ["Days", "n"],
      ["Base", "n"],
      ["Amplitude", "n"],
      ["Peak value", "n"],
      ["Greening / day", "n"],
      ["Senescing / day", "n"],
      ["Integral", "n"],
    ];
    parts.push(
      grid(
        "Seasons",
        heads,
        known.map((k) => [
          text(t.season[k]),
          date(t.start[k]),
          date(t.peak[k]),
          date(t.end[k]),
          fixed(t.length[k], 0),
          inIndex(t.base[k]),
          inIndex(t.amplitude[k]),
          inIndex(t.peak_value[k]),
          fixed(t.greening[k], shared.digits + 1),
          fixed(t.senescing[k], shared.digits + 1),
          fixed(t.integral[k], Math.max(0, shared.digits - 2)),
        ]),
      ),
    );
    const methods = [...new Set(known.map((k) => text(t.method[k])).filter(Boolean))];
    if (methods.length) parts.push(h("p", { class: "soft" }, `Method: ${methods.join(", ")}.`));
  }
  return [
    ...parts,
    ...notes.map((note) => h("p", { class: "soft" }, note)),
    known.length || notes.length ? null : h("p", { class: "soft" }, "No season was found."),
  ];
}

function anomalyTable({ anomalies: t }) {
  const heads = [
    ["Ten days from", "d"],
    [shared.index, "n"],
    ["Usual", "n"],
    ["Anomaly", "n"],
    ["Percentile", "n"],
    ["VCI", "n"],
    ["Years", "n"],
    ["Note", "w"],
  ];
  const order = t.date.map((day, k) => k).sort((i, j) => t.date[j] - t.date[i]);
  return grid(
    "Anomalies",
    heads,
    order.map((k) => [
      iso(t.date[k]),
      painted(t.value[k], shared.digits, shade("v", shared.shades, t.value[k])),
      inIndex(t.expected[k]),
      painted(t.z[k], 1, score(t.z[k])),
      fixed(t.percentile[k], 0),
      fixed(t.vci[k], 0),
      fixed(t.years[k], 0),
      text(t.note[k]),
    ]),
  );
}

function rowsTable({ rows }) {
  const heads = [
    ["Date", "d"],
    ["Status", "d"],
    [shared.index, "n"],
    ["Clear", "n"],
    ["Scene cloud", "n"],
    ["Scene", "id"],
    ["Reason", "w"],
  ];
  const percent = (value) => (value === null ? "" : `${value} %`);
  const order = rows.date.map((day, k) => k).reverse();
  return grid(
    "Observations",
    heads,
    order.map((k) => [
      iso(rows.date[k]),
      rows.status[k].replace("_", " "),
      painted(rows.value[k], shared.digits, shade("v", shared.shades, rows.value[k])),
      percent(rows.clear[k]),
      percent(rows.cloud[k]),
      text(rows.scene[k]),
      text(rows.reason[k]),
    ]),
  );
}

function pictures(id) {
  const block = byId(`${id}-pictures`);
  if (!block) return [];
  const image = (bytes, words) =>
    bytes && h("img", { src: `data:image/png;base64,${bytes}`, alt: words, loading: "lazy" });
  return [
    h("h4", {}, "Pictures"),
    h(
      "div",
      { class: "chips" },
      ...JSON.parse(block.textContent).map((one) =>
        h(
          "figure",
          {},
          h(
            "div",
            { class: "pair" },
            image(one.index, `${shared.index} on ${one.date}`),
            image(one.colour, `True colour on ${one.date}`),
          ),
          h(
            "figcaption",
            {},
            h("b", {}, one.date),
            ` ${one.caption} `,
            h("span", { class: "id" }, one.scene),
          ),
        ),
      ),
    ),
  ];
}

// ---- a place

function read(id) {
  const data = JSON.parse(byId(`${id}-data`).textContent),
    rows = data.rows;
  rows.status = rows.status.map((number) => shared.statuses[number]);
  rows.lane = rows.status.map(laneOf);
  if (rows.date.length) {
    const [begin, end] = [rows.date[0], rows.date.at(-1)],
      margin = Math.max(4, Math.floor((end - begin) / 90));
    Object.assign(data, { begin, end, first: begin - margin, last: end + margin });
  }
  return data;
}

function render(place) {
  const { section } = place,
    live = section.querySelector(".live"),
    name = section.querySelector("h3").textContent;
  const data = (place.data = read(section.id));
  if (data.first !== undefined) {
    Object.assign(place, {
      from: data.first,
      to: data.last,
      frame: h("div", { class: "frame" }),
      calendar: h("div", { class: "frame" }),
    });
    place.explore = explore(
      place.frame,
      `Series of ${name}: arrow keys read the observations one by one`,
    );
    place.exploreCalendar = explore(
      place.calendar,
      `Calendar of ${name}: arrow keys read the months one by one`,
    );
    live.append(
      h("div", { class: "bar series" }, h("h4", {}, "Series"), zoomTools(place)),
      place.frame,
      legend(data),
      h("h4", {}, "Calendar of passes"),
      place.calendar,
      h(
        "p",
        { class: "soft" },
        "Months with a clear date are green, those without one sand; bars are rejected passes, coloured as in the series.",
      ),
    );
    brush(place);
    draw(place);
  }
  live.append(...[...pictures(section.id), ...seasonsTable(data)].filter(Boolean));
  if ((data.anomalies.date || []).length)
    live.append(
      folded(`Anomalies of ${data.anomalies.date.length} ten-day periods`, () =>
        anomalyTable(data),
      ),
    );
  if (data.rows.date.length)
    live.append(folded(`All ${data.rows.date.length} observations`, () => rowsTable(data)));
}

function draw(place) {
  if (!place.frame) return;
  drawSeries(place);
  drawCalendar(place);
  place.width = printing ? null : place.frame.clientWidth; // which costs a layout
}

function renew(place) {
  if (!place.data) render(place);
  else if (place.frame && (printing || place.width !== place.frame.clientWidth)) draw(place);
}
