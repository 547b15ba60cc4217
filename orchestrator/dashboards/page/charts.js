// Plain SVG, drawn at the size of its place, so that text keeps its size on a phone.

const PAD = { top: 14, right: 6, bottom: 26, left: 56 };
const HEIGHT = 250;
let chartNumber = 0;

// spec: title, summary, labels, series [{name, color, values, dash, exact}], kind (bars or lines), format, axis,
// limits [{name, value}], off (names hidden, kept by the caller), brush(from, to).
function chart(host, spec) {
  spec.off ??= new Set();
  const id = host.dataset.chart ??= 'chart' + ++chartNumber;
  const open = host.querySelector('details')?.open;
  const focused = document.activeElement?.dataset?.series;
  const inside = host.contains(document.activeElement);
  const again = () => chart(host, spec);
  spec.series = spec.series.filter(({ values }) => values.some((value) => value));
  host.replaceChildren(make('p', { class: 'summary', id: id + '-s' }, spec.summary));
  if (!spec.series.length) return host.append(make('p', { class: 'empty' }, spec.empty ?? 'Nothing to draw in this selection.'));
  host.append(legend(spec, again), plot(host, id, spec), alternative(spec, open));
  if (inside && focused !== undefined) {
    [...host.querySelectorAll('[data-series]')].find((one) => one.dataset.series === focused)?.focus();
  }
}

function legend(spec, again) {
  const toggle = (name) => {
    if (!spec.off.delete(name)) spec.off.add(name);
    again();
  };
  return make('ul', { class: 'legend', 'aria-label': spec.title + ': shown series' }, ...spec.series.map((series) => {
    const shown = !spec.off.has(series.name);
    const button = make('button', { type: 'button', 'aria-pressed': shown, title: series.name, 'data-series': series.name },
      make('span', { class: 'swatch c' + series.color, 'aria-hidden': true }), make('span', { class: 'text' }, series.name));
    button.addEventListener('click', () => toggle(series.name));
    return make('li', {}, button);
  }));
}

function plot(host, id, spec) {
  const width = Math.max(host.clientWidth, 240);
  const shown = spec.series.filter(({ name }) => !spec.off.has(name));
  const count = spec.labels.length;
  const top = Math.max(highest(spec.kind, shown, count), ...(spec.limits ?? []).map(({ value }) => value));
  const ticks = niceTicks(top);
  const area = { width: width - PAD.left - PAD.right, height: HEIGHT - PAD.top - PAD.bottom };
  const y = (value) => PAD.top + area.height * (1 - value / ticks[ticks.length - 1]);
  const x = (at) => PAD.left + (area.width * at) / count;
  const svg = draw('svg', { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: 'img', 'aria-labelledby': `${id}-t ${id}-s` });
  svg.append(draw('title', { id: id + '-t' }, spec.title));
  for (const tick of ticks) {
    svg.append(draw('line', { class: tick ? 'grid' : 'base', x1: PAD.left, x2: width - PAD.right, y1: y(tick), y2: y(tick) }));
    svg.append(draw('text', { x: PAD.left - 8, y: y(tick) + 4, 'text-anchor': 'end' }, spec.axis(tick)));
  }
  svg.append(...timeAxis(spec.labels, x, area.width), ...(spec.kind === 'bars' ? bars : curves)(shown, count, x, y));
  svg.append(...(spec.limits ?? []).flatMap(({ name, value }) => [
    draw('line', { class: 'limit', x1: PAD.left, x2: width - PAD.right, y1: y(value), y2: y(value) }),
    draw('text', { class: 'limit', x: PAD.left + 6, y: y(value) - 5 }, name),
  ]));
  watch(svg, spec, shown, { x, count, area });
  return svg;
}

function highest(kind, shown, count) {
  let top = 0;
  for (let at = 0; at < count; at++) {
    const values = shown.map((series) => Math.max(series.values[at] ?? 0, 0));
    top = Math.max(top, kind === 'bars' ? values.reduce((sum, value) => sum + value, 0) : Math.max(0, ...values));
  }
  return top;
}

function timeAxis(labels, x, width) {
  const every = Math.max(1, Math.ceil(labels.length / Math.max(1, Math.floor(width / (labels[0]?.length > 7 ? 100 : 62)))));
  return labels.flatMap((label, at) => (at % every ? [] : [
    draw('text', { x: (x(at) + x(at + 1)) / 2, y: HEIGHT - 6, 'text-anchor': 'middle' }, label),
  ]));
}

function bars(shown, count, x, y) {
  const width = Math.max(1, Math.min(40, (x(1) - x(0)) * 0.78));
  const marks = [];
  for (let at = 0; at < count; at++) {
    let sum = 0;
    for (const { color, values } of shown) {
      const value = Math.max(values[at] ?? 0, 0);
      const height = y(sum) - y(sum + value);
      // A gap of a pixel keeps neighbours apart for eyes that see two colours as one.
      const gap = height > 3 ? 1 : 0;
      if (height > 0.15) marks.push(draw('rect', { class: 'bar c' + color, x: (x(at) + x(at + 1) - width) / 2, y: y(sum + value), width, height: height - gap, rx: height > 4 ? 1.5 : 0 }));
      sum += value;
    }
  }
  return marks;
}

function curves(shown, count, x, y) {
  return shown.flatMap(({ color, values, dash }) => {
    let path = '';
    const dots = [];
    const there = (at) => values[at] !== null && values[at] !== undefined;
    for (let at = 0; at < count; at++) {
      if (!there(at)) continue;
      const place = [(x(at) + x(at + 1)) / 2, y(values[at])];
      path += (path && there(at - 1) ? 'L' : 'M') + place.map((value) => value.toFixed(1)).join(' ');
      if (!there(at - 1) && !there(at + 1)) dots.push(draw('circle', { class: 'c' + color, cx: place[0], cy: place[1], r: 3 }));
    }
    return [draw('path', { class: `curve c${color} ${dash ?? ''}`, d: path }), ...dots];
  });
}

// The value under the pointer, and a period chosen by drawing across the chart.
function watch(svg, spec, shown, { x, count, area }) {
  const cursor = draw('rect', { class: 'cursor', y: PAD.top, height: area.height, width: x(1) - x(0) });
  const brush = draw('rect', { class: 'brush', y: PAD.top, height: area.height, width: 0 });
  svg.append(cursor, brush);
  let start = null;
  const placeOf = (event) => {
    const left = event.clientX - svg.getBoundingClientRect().left - PAD.left;
    return Math.max(0, Math.min(count - 1, Math.floor((left / area.width) * count)));
  };
  const leave = () => {
    cursor.classList.remove('on');
    byId('tip').hidden = true;
  };
  svg.addEventListener('pointermove', (event) => {
    const at = placeOf(event);
    cursor.setAttribute('x', x(at));
    cursor.classList.add('on');
    showTip(event, spec, shown, at);
    if (start === null) return;
    brush.setAttribute('x', x(Math.min(start, at)));
    brush.setAttribute('width', start === at ? 0 : x(Math.abs(at - start) + 1) - x(0));
  });
  svg.addEventListener('pointerleave', leave);
  if (!spec.brush) return;
  svg.classList.add('brushable');
  svg.addEventListener('pointerdown', (event) => {
    event.preventDefault();
    svg.setPointerCapture(event.pointerId);
    start = placeOf(event);
  });
  svg.addEventListener('pointercancel', () => { start = null; brush.setAttribute('width', 0); leave(); });
  svg.addEventListener('pointerup', (event) => {
    const [from, to] = [start, placeOf(event)];
    start = null;
    leave();
    if (from !== null && from !== to) spec.brush(Math.min(from, to), Math.max(from, to));
  });
}

function showTip(event, spec, shown, at) {
  const tip = byId('tip');
  const entries = shown.filter(({ values }) => values[at]).reverse();
  const lines = entries.map(({ name, color, values }) => make('div', {},
    make('span', { class: 'swatch c' + color }), make('span', { class: 'text' }, name), make('span', {}, spec.format(values[at]))));
  const sum = entries.reduce((total, { values }) => total + values[at], 0);
  const all = spec.kind === 'bars' && entries.length > 1 ? [make('div', {}, make('span', {}, 'Together'), make('span', {}, spec.format(sum)))] : [];
  tip.replaceChildren(make('b', {}, spec.labels[at]), ...(lines.length ? lines : [make('div', {}, 'nothing')]), ...all);
  tip.hidden = false;
  const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
  const left = event.clientX + 16 > room ? event.clientX - tip.offsetWidth - 16 : event.clientX + 16;
  tip.style.left = Math.max(8, left) + window.scrollX + 'px';
  tip.style.top = event.clientY + window.scrollY - 20 + 'px';
}

function alternative(spec, open) {
  const details = make('details', { open }, make('summary', {}, 'The same as a table'));
  const build = () => {
    if (!details.open || details.querySelector('table')) return;
    const columns = [{ name: spec.unit ?? 'Time' }, ...spec.series.map(({ name }) => ({ name, number: true, show: (value) => (value === null || value === undefined ? '–' : spec.format(value)) }))];
    const holder = make('div');
    details.append(holder);
    table(holder, { caption: spec.title, columns, rows: spec.labels.map((label, at) => [label, ...spec.series.map(({ values }) => values[at])]) });
  };
  details.addEventListener('toggle', build);
  build();
  return details;
}
