// The overview of the report: table, map, and which places are open.

const table = byId("table");
const places = new Map(all("section.place").map((section) => [section.id, { section }]));

// ---- the open places

const visibleRows = () => all("tbody tr", table).filter((row) => !row.hidden);
const opened = () =>
  [...places.values()].filter((place) => place.section.classList.contains("open"));

function told() {
  const n = opened().length;
  byId("opened").textContent = `${n} of ${places.size} open`;
  byId("hint").hidden = n === places.size;
  for (const row of all("tbody tr", table))
    row.classList.toggle(
      "chosen",
      n < places.size && places.get(row.dataset.place).section.classList.contains("open"),
    );
}

function show(id) {
  const place = places.get(id);
  const bar = place.section.querySelector(".bar");
  if (!bar.querySelector(".tools")) bar.append(placeTools(id));
  place.section.classList.add("open");
  watcher.observe(place.section); // which draws it when it comes into sight
}

function open(id) {
  const place = places.get(id);
  if (!place) return;
  show(id);
  renew(place);
  place.section.scrollIntoView();
  place.section.querySelector("h3").focus({ preventScroll: true });
  told();
}

function close(ids) {
  for (const id of ids) {
    places.get(id).section.classList.remove("open");
    watcher.unobserve(places.get(id).section);
  }
  told();
}

function placeTools(id) {
  const beside = (by) => {
    const rows = visibleRows(),
      at = rows.findIndex((row) => row.dataset.place === id);
    const next = rows[at + by];
    if (!next) return;
    if (places.size > shared.open) close([id]);
    go(next.dataset.place);
  };
  const back = () => {
    byId("places").scrollIntoView();
    table.querySelector(`tr[data-place="${id}"] a`).focus({ preventScroll: places.size <= 15 });
  };
  return h(
    "div",
    { class: "tools" },
    button("\u2039", "Previous place of the table", () => beside(-1)),
    button("\u203a", "Next place of the table", () => beside(1)),
    button("\u2191 Table", "Back to the table", back),
    button("\u00d7", "Close this place", () => {
      close([id]);
      back();
    }),
  );
}

const watcher = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) if (entry.isIntersecting) renew(places.get(entry.target.id));
  },
  { rootMargin: "300px" },
);

// ---- table and map

function filter() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean),
    tag = byId("filter")?.value || "";
  let n = 0;
  for (const row of all("tbody tr", table)) {
    row.hidden = !(
      words.every((word) => row.dataset.find.includes(word)) &&
      (!tag || row.dataset.tags.split(" ").includes(tag))
    );
    n += !row.hidden;
    mapLinks.get(row.dataset.place)?.classList.toggle("off", row.hidden);
  }
  byId("count").textContent = n === places.size ? `${n} places` : `${n} of ${places.size}`;
}

function sort(head, column) {
  const up = head.getAttribute("aria-sort")
    ? head.getAttribute("aria-sort") === "descending"
    : !head.classList.contains("n") || head.textContent === "Anomaly";
  all("thead th", table).forEach((other) => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const keyed = all("tbody tr", table).map((row) => {
    const v = row.children[column].dataset.v;
    return [v, v !== "" && isFinite(v) ? +v : v, row];
  });
  keyed.sort(([a, p], [b, q]) => {
    if (a === "" || b === "") return (a === "") - (b === ""); // what has no value comes last
    const order =
      typeof p === "number" && typeof q === "number"
        ? p - q
        : a.localeCompare(b, undefined, { numeric: true });
    return up ? order : -order;
  });
  table.tBodies[0].append(...keyed.map(([, , row]) => row));
}

all("thead th", table).forEach((head, column) => {
  if (head.textContent === "Curve") return;
  const made = h("button", { type: "button" }, head.textContent);
  made.addEventListener("click", () => sort(head, column));
  head.replaceChildren(made);
});
table.tBodies[0].addEventListener("click", (event) => {
  const row = event.target.closest("tr");
  if (!event.target.closest("a") && !String(getSelection())) row.querySelector("a").click();
});
table.tBodies[0].addEventListener("keydown", (event) => {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key],
    rows = visibleRows();
  const next = by && rows[rows.indexOf(event.target.closest("tr")) + by];
  if (next) {
    event.preventDefault();
    next.querySelector("a").focus();
  }
});

// ---- map

const mapFrame = byId("map"),
  mapSvg = mapFrame.querySelector("svg");
const [x0, y0, width0, height0] = mapSvg.getAttribute("viewBox").split(" ").map(Number);
const pins = all(".pin", mapSvg).map((pin) => [pin, pin.getAttribute("transform")]);
const spots = all("#map a").map((link) => {
  const [x, y] = link.dataset.at.split(" ").map(Number),
    title = link.querySelector("title"),
    words = title.textContent;
  title.remove(); // the tip says it
  fill(link, { tabindex: -1, "aria-label": words }, []);
  return { x, y, link, id: link.getAttribute("href").slice(1), words: () => words };
});
const mapLinks = new Map(spots.map((spot) => [spot.id, spot.link]));
const shownSpots = () => spots.filter((spot) => !spot.link.classList.contains("off"));

function look(x, y, wanted) {
  const width = clamp(wanted, width0 / 400, width0),
    height = (width * height0) / width0,
    zoom = width0 / width;
  const left = clamp(x - width / 2, x0, x0 + width0 - width),
    top = clamp(y - height / 2, y0, y0 + height0 - height);
  mapSvg.setAttribute("viewBox", `${left} ${top} ${width} ${height}`);
  for (const [pin, at] of pins) pin.setAttribute("transform", `${at} scale(${1 / zoom})`);
  mapFrame.classList.toggle("zoomed", zoom > 1.01);
  mapFrame.classList.toggle("near", mapSvg.dataset.degrees / zoom < 8);
}
const seen = () => {
  const box = mapSvg.viewBox.baseVal;
  return {
    x: box.x + box.width / 2,
    y: box.y + box.height / 2,
    width: box.width,
    height: box.height,
  };
};
const zoomMap = (by, at = seen()) => look(at.x, at.y, seen().width / by);
function fitMap() {
  const found = shownSpots(),
    ends = (key) => [
      Math.min(...found.map((spot) => spot[key])),
      Math.max(...found.map((spot) => spot[key])),
    ];
  if (!found.length) return;
  const [[left, right], [top, bottom]] = [ends("x"), ends("y")],
    flat = width0 / height0;
  look(
    (left + right) / 2,
    (top + bottom) / 2,
    Math.max(1.3 * (right - left), 1.3 * (bottom - top) * flat, width0 / 100),
  );
}

explore(
  mapFrame,
  "Map: arrow keys go from place to place, Enter opens one, plus and minus zoom",
  (spot) => go(spot.id),
)({
  svg: mapSvg,
  reach: 30,
  targets: shownSpots,
  reveal: (spot) => {
    const at = seen();
    if (Math.abs(spot.x - at.x) > at.width / 2 || Math.abs(spot.y - at.y) > at.height / 2)
      look(spot.x, spot.y, at.width);
  },
});
mapFrame.addEventListener("keydown", (event) => {
  const by = { "+": 2, "=": 2, "-": 0.5 }[event.key];
  if (by) zoomMap(by);
});
mapFrame.addEventListener("dblclick", (event) => {
  const box = mapFrame.getBoundingClientRect(),
    at = seen();
  zoomMap(3, {
    x: at.x + ((event.clientX - box.left) / box.width - 0.5) * at.width,
    y: at.y + ((event.clientY - box.top) / box.height - 0.5) * at.height,
  });
});
let grip = null,
  dragged = false;
mapFrame.addEventListener("pointerdown", (event) => {
  grip = { x: event.clientX, y: event.clientY, at: seen() };
  dragged = false;
});
mapFrame.addEventListener("pointermove", (event) => {
  if (!grip || !mapFrame.classList.contains("zoomed")) return;
  const scale = grip.at.width / mapFrame.clientWidth,
    [dx, dy] = [event.clientX - grip.x, event.clientY - grip.y];
  dragged ||= Math.hypot(dx, dy) > 4;
  if (dragged) look(grip.at.x - dx * scale, grip.at.y - dy * scale, grip.at.width);
});
for (const kind of ["pointerup", "pointercancel"])
  window.addEventListener(kind, () => {
    grip = null;
  });
mapFrame.addEventListener("dragstart", (event) => event.preventDefault());
byId("map-tools").append(
  button("+", "Zoom in", () => zoomMap(2)),
  button("\u2212", "Zoom out", () => zoomMap(0.5)),
  button("Fit", "Show all places that the table shows", fitMap),
);

// ---- the page

const go = (id) => {
  if (location.hash === `#${id}`) open(id);
  else location.hash = id;
};
document.addEventListener("click", (event) => {
  const link = event.target.closest("a"),
    id = link?.getAttribute("href")?.slice(1);
  if (!places.has(id)) return;
  event.preventDefault();
  if (!dragged || !mapFrame.contains(link)) go(id);
});
window.addEventListener("hashchange", () => open(location.hash.slice(1)));
byId("tools").addEventListener("input", filter);
byId("tools").addEventListener("submit", (event) => event.preventDefault());
byId("open-all").addEventListener("click", () => {
  for (const id of places.keys()) show(id);
  told();
});
byId("close-all").addEventListener("click", () => close(opened().map((place) => place.section.id)));
byId("print").addEventListener("click", () => window.print());

// What is out of sight is drawn when it is seen.
function watchAnew() {
  for (const { section } of opened()) {
    watcher.unobserve(section);
    watcher.observe(section);
  }
}
function forPaper(on) {
  if (printing === on) return;
  printing = on;
  if (on) opened().forEach(renew);
  else watchAnew();
}
window.addEventListener("beforeprint", () => forPaper(true));
window.addEventListener("afterprint", () => forPaper(false));
window.addEventListener("resize", () =>
  requestAnimationFrame(() => {
    if (!printing) watchAnew();
  }),
);

if (places.size <= shared.open) for (const id of places.keys()) show(id);
filter();
told();
open(location.hash.slice(1));
