// Draws each chart from the document in the page when it comes into view. It computes nothing but positions.
const packed = Uint8Array.from(atob(document.getElementById("document").textContent), (sign) => sign.charCodeAt(0));
const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
const report = await new Response(unpacked).json();
const limit = report.noise_limit;
const names = {
  hidden: "hidden, whole run", cell: "cell, whole run", stepped_hidden: "hidden, stepped",
  local_hidden: "hidden, step alone", local_cell: "cell, step alone",
};
const dashes = { hidden: "solid", cell: "solid", stepped_hidden: "dash", local_hidden: "dot", local_cell: "dot" };
// Of a network an observed array has its layer and direction behind its name: hidden_l1_reverse.
const cell = /_l(\d+)(_reverse)?$/;
const state = (observed) => observed.replace(cell, "");
const named = (observed) => {
  const [, layer, backward] = observed.match(cell) ?? [];
  return names[state(observed)] + (layer ? `, layer ${layer}${backward ? " backward" : ""}` : "");
};
const settings = { displayModeBar: false, responsive: true };

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const span = (start, width, length) =>
  width === 1 ? `${start}` : `${start} to ${Math.min(start + width, length) - 1}`;
// A logarithmic axis has no place for what is zero (a gap) or infinite (the top).
const ceiling = (values) => 10 * Math.max(limit, ...values.filter((value) => value !== "infinity"));
const drawable = (values, top) => values.map((v) => (v === "infinity" ? top : v > 0 ? v : null));
const told = (value) => (value === "infinity" ? "infinite" : Number(value.toPrecision(3)).toString());

function layout(title, x, y) {
  const axis = { gridcolor: colour("line"), linecolor: colour("line"), zeroline: false, fixedrange: true };
  return {
    title: { text: title, x: 0, xanchor: "left", xref: "paper", font: { size: 14 } },
    font: { family: "system-ui, sans-serif", size: 12, color: colour("ink") },
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: 56, r: 12, t: 34, b: 44 }, dragmode: false,
    hoverlabel: { bgcolor: colour("paper"), bordercolor: colour("line"), font: { color: colour("ink") } },
    xaxis: { ...axis, title: { text: x, standoff: 6 } }, yaxis: { ...axis, title: { text: y, standoff: 6 } },
  };
}

function curves(run) {
  const steps = report.case.steps;
  const top = ceiling(run.curves.flatMap((curve) => curve.noise));
  const lowest = Math.min(limit / 10, ...run.curves.flatMap((c) => c.noise.filter((value) => value > 0)));
  const traces = run.curves.map((curve) => ({
    type: "scatter", mode: curve.noise.length > 1 ? "lines" : "markers", name: named(curve.observed),
    x: curve.noise.map((_, k) => k * curve.steps_per_point),
    y: drawable(curve.noise, top),
    text: curve.noise.map((value, k) => `${told(value)} at step ${span(k * curve.steps_per_point, curve.steps_per_point, steps)}`),
    hovertemplate: "%{text}<extra>%{fullData.name}</extra>",
    line: { color: colour(curve.observed.includes("hidden") ? "hidden" : "cell"), dash: dashes[state(curve.observed)], width: 2 },
  }));
  const made = layout("Error by step", "step", "noise units");
  made.hovermode = "x";
  made.yaxis.type = "log";
  const infinite = run.curves.some((curve) => curve.noise.includes("infinity"));
  const [low, high] = [Math.log10(lowest) - 0.1, Math.log10(top) - (infinite ? 0 : 0.8)];
  made.yaxis.range = [low, high];
  if (high - low > 2) made.yaxis.dtick = high - low > 8 ? 2 : 1; // powers of ten
  else made.yaxis.tickvals = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100];
  made.yaxis.exponentformat = "power";
  made.legend = { orientation: "h", x: 0, y: -0.22, yanchor: "top" };
  made.margin.b = 90;
  made.shapes = [
    { type: "rect", xref: "paper", x0: 0, x1: 1, y0: lowest / 10, y1: limit, fillcolor: colour("band"), line: { width: 0 }, layer: "below" },
    { type: "line", xref: "paper", x0: 0, x1: 1, y0: limit, y1: limit, line: { color: colour("limit"), width: 1, dash: "dash" } },
  ];
  made.annotations = [{
    xref: "paper", x: 1, xanchor: "right", y: Math.log10(limit), yanchor: "bottom", showarrow: false,
    text: `limit ${limit}`, font: { color: colour("limit"), size: 11 },
  }];
  return [traces, made];
}

function heatmap(run, which) {
  const map = run.heatmaps[which];
  const { steps, units } = report.case;
  const top = ceiling(map.noise.flat());
  // The scale in powers of ten: two below the limit, and those above it that are needed.
  const low = -2;
  const beyond = Math.log10(top / limit) - 1;
  const high = beyond > 0 ? Math.max(1, beyond) : 0;
  const share = -low / (high - low);
  const within = [[0, colour("paper")], [share, colour("good")]];
  const above = high ? [[share, "#ffd166"], [(1 + share) / 2, "#e4572e"], [1, "#6a0f49"]] : [];
  const across = (rows) => rows[0].map((_, unit) => rows.map((row) => row[unit]));
  const value = (v) => (v === null ? null : Math.max(low, Math.log10(v / limit)));
  const ticks = Array.from({ length: Math.floor(high) - low + 1 }, (_, k) => k + low).filter((k) => high < 6 || k % 2 === 0);
  const trace = {
    type: "heatmap", zmin: low, zmax: high, xgap: 0, ygap: 0,
    x: map.noise.map((_, k) => k * map.steps_per_cell), y: map.noise[0].map((_, k) => k * map.units_per_cell),
    z: across(map.noise.map((row) => drawable(row, top).map(value))),
    text: across(map.noise.map((row, step) => row.map((v, unit) =>
      `${told(v)} noise units<br>step ${span(step * map.steps_per_cell, map.steps_per_cell, steps)}` +
      `<br>unit ${span(unit * map.units_per_cell, map.units_per_cell, units)}`))),
    hovertemplate: "%{text}<extra></extra>",
    colorscale: [...within, ...above],
    colorbar: {
      thickness: 10, outlinewidth: 0, tickvals: ticks,
      ticktext: ticks.map((k) => (k === 0 ? "limit" : k < 0 ? `limit/${10 ** -k}` : `×10<sup>${k}</sup>`)),
    },
  };
  const made = layout(named(map.observed), "step", "unit");
  made.xaxis.showgrid = made.yaxis.showgrid = false;
  return [[trace], made];
}

function draw(figure) {
  const run = report.rows[figure.dataset.row].runs[figure.dataset.run];
  const [traces, made] =
    figure.dataset.kind === "curves" ? curves(run) : heatmap(run, Number(figure.dataset.which));
  return Plotly.react(figure.querySelector(".plot"), traces, made, settings);
}

function element(name, text, scope) {
  const made = document.createElement(name);
  made.textContent = text;
  if (scope) made.scope = scope;
  return made;
}

// The table behind a chart, made when somebody opens it.
function tabulate(figure) {
  const run = report.rows[figure.dataset.row].runs[figure.dataset.run];
  const { steps, units } = report.case;
  const isMap = figure.dataset.kind === "heatmaps";
  const map = isMap ? run.heatmaps[figure.dataset.which] : null;
  const heads = isMap
    ? map.noise[0].map((_, k) => `unit ${span(k * map.units_per_cell, map.units_per_cell, units)}`)
    : run.curves.map((curve) => named(curve.observed));
  const width = isMap ? map.steps_per_cell : run.curves[0].steps_per_point;
  const lines = isMap ? map.noise : run.curves[0].noise.map((_, k) => run.curves.map((curve) => curve.noise[k]));
  const table = document.createElement("table");
  table.append(element("caption", isMap ? `${named(map.observed)}, noise units` : "Largest error, noise units"));
  const head = table.createTHead().insertRow();
  head.append(element("th", "step", "col"), ...heads.map((text) => element("th", text, "col")));
  const body = table.createTBody();
  lines.forEach((values, k) => {
    body.insertRow().append(element("th", span(k * width, width, steps), "row"), ...values.map((v) => element("td", told(v))));
  });
  const scroll = document.createElement("div");
  scroll.className = "scroll";
  scroll.tabIndex = 0;
  scroll.append(table);
  return scroll;
}

// In a chart that has the focus, arrow keys move the label from point to point; Escape takes it away.
const moves = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const places = new WeakMap();

function walk(event) {
  const plot = event.currentTarget;
  if (event.key === "Escape") Plotly.Fx.unhover(plot);
  if (!(event.key in moves) || !plot.data) return;
  event.preventDefault();
  const { type, x, y } = plot.data[0];
  const lengths = [x.length, type === "heatmap" ? y.length : 1]; // a label has all curves of a step
  const from = places.get(plot);
  const to = lengths.map((length, axis) =>
    from ? Math.min(Math.max(from[axis] + moves[event.key][axis], 0), length - 1) : 0);
  places.set(plot, to);
  Plotly.Fx.hover(plot, { xval: x[to[0]], yval: y[to[1]] });
}

const drawn = new Set();
const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting && !drawn.has(target)) {
      drawn.add(target);
      draw(target);
    }
  }
}, { rootMargin: "200px" });
for (const figure of document.querySelectorAll("figure.chart")) {
  seen.observe(figure);
  const plot = figure.querySelector(".plot");
  plot.addEventListener("keydown", walk);
  plot.addEventListener("blur", () => plot.data && Plotly.Fx.unhover(plot));
  const data = figure.querySelector("details");
  data.addEventListener("toggle", () => data.children.length === 1 && data.append(tabulate(figure)));
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach(draw));

function openTarget() {
  const target = document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) target.open = true;
}
addEventListener("hashchange", openTarget);
openTarget();
