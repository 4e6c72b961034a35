// Small tools of the report, and what is said of the mark under the pointer or the arrow keys.
// Text of others reaches the page as text nodes only, never as HTML.

const byId = (id) => document.getElementById(id);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const shared = JSON.parse(byId("shared").textContent);
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const POINTS = { ok: "clear", low_coverage: "partly clear", outlier: "outlier" };

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}
const h = (name, attributes = {}, ...children) =>
  fill(document.createElement(name), attributes, children);
const s = (name, attributes = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
const button = (text, label, act) => {
  const made = h("button", { type: "button", "aria-label": label, title: label }, text);
  made.addEventListener("click", act);
  return made;
};
const iso = (day) => new Date(day * 864e5).toISOString().slice(0, 10);
const dayOf = (year, month) => Date.UTC(year, month) / 864e5;
const yearOf = (day) => new Date(day * 864e5).getUTCFullYear();
const monthOf = (day) => {
  const t = new Date(day * 864e5);
  return t.getUTCFullYear() * 12 + t.getUTCMonth();
};
const fixed = (value, digits) =>
  value === null || value === undefined
    ? ""
    : value
        .toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })
        .replace(/^-(?=[0.]*$)/, "")
        .replace("-", "\u2212");
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const text = (number) => (number < 0 ? "" : shared.texts[number]);
function shade(letter, scale, value) {
  if (value === null) return letter + "n";
  return (
    letter +
    clamp(
      Math.floor(((value - scale.low) / (scale.high - scale.low)) * scale.count),
      0,
      scale.count - 1,
    )
  );
}
const score = (z) => shade("z", shared.scores, z);
const laneOf = (status) => shared.lanes.findIndex((lane) => lane.statuses.includes(status));
const statusWords = (status) => POINTS[status] || status.replace("_", " ");

function explore(frame, label, act) {
  let view = { svg: null, targets: () => [], reach: Infinity };
  let current = null;
  const ring = s("circle", { class: "ring" });
  fill(frame, { tabindex: 0, role: "application", "aria-label": label }, []);
  const tip = byId("tip");
  const hide = () => {
    ring.remove();
    tip.hidden = true;
  };
  function show(target, spoken) {
    current = target;
    if (!target) {
      hide();
      return;
    }
    if (spoken && view.reveal) view.reveal(target);
    const box = view.svg.getBoundingClientRect(),
      part = view.svg.viewBox.baseVal;
    const [x, y] = [
      ((target.x - part.x) * box.width) / part.width + box.left,
      ((target.y - part.y) * box.height) / part.height + box.top,
    ];
    fill(ring, { cx: target.x, cy: target.y, r: (7 * part.width) / box.width }, []);
    view.svg.append(ring);
    tip.textContent = target.words();
    tip.hidden = false;
    const width = document.documentElement.clientWidth;
    const left = x + 14 + tip.offsetWidth < width ? x + 14 : x - 14 - tip.offsetWidth;
    const top = y - tip.offsetHeight - 12 > 0 ? y - tip.offsetHeight - 12 : y + 16;
    tip.style.left = `${clamp(left, 8, Math.max(8, width - tip.offsetWidth - 8)) + scrollX}px`;
    tip.style.top = `${top + scrollY}px`;
    if (spoken) byId("said").textContent = tip.textContent;
  }
  function nearest(event) {
    const box = view.svg.getBoundingClientRect(),
      part = view.svg.viewBox.baseVal;
    const zoom = part.width / box.width;
    const [x, y] = [
      (event.clientX - box.left) * zoom + part.x,
      (event.clientY - box.top) * zoom + part.y,
    ];
    let [best, least] = [null, (view.reach * zoom) ** 2];
    for (const target of view.targets()) {
      const far = (target.x - x) ** 2 + (target.y - y) ** 2;
      if (far < least) [best, least] = [target, far];
    }
    return best;
  }
  for (const kind of ["pointermove", "pointerdown"])
    frame.addEventListener(kind, (event) => show(nearest(event), false));
  frame.addEventListener("pointerleave", (event) => {
    if (event.pointerType !== "touch") hide();
  });
  frame.addEventListener("blur", hide);
  frame.addEventListener("keydown", (event) => {
    const targets = view.targets(),
      at = targets.indexOf(current),
      last = targets.length - 1;
    const step = {
      ArrowRight: at + 1,
      ArrowDown: at + 1,
      ArrowLeft: at < 0 ? last : at - 1,
      ArrowUp: at < 0 ? last : at - 1,
      Home: 0,
      End: last,
    }[event.key];
    if (event.key === "Escape") hide();
    else if (event.key === "Enter" && current && act) act(current);
    else if (step !== undefined && last >= 0) {
      event.preventDefault();
      show(targets[clamp(step, 0, last)], true);
    }
  });
  return (next) => {
    hide();
    view = { ...view, ...next };
    current = null;
  };
}
