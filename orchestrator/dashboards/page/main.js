// The reader's choices, and what follows from them. They are kept in the address, so that a view can be passed on.

const FILTERS = ['route', 'model', 'tenant', 'tag', 'status'];

function start(report) {
  const sums = new Sums(report);
  const choice = { from: 0, to: Math.max(0, sums.times.length - 1), by: 'model', wanted: {}, values: {}, touched: false };
  const view = { sums, choice, off: new Set(), hidden: {} };
  for (const name of ['tokens', 'latency', 'errors', 'detours', 'month']) view.hidden[name] = new Set();
  offer(sums, choice);
  themeButton();
  const update = () => {
    read(sums, choice);
    remember();
    redraw(view);
  };
  view.brush = (from, to) => {
    [byId('from').value, byId('to').value] = [choice.from + from, choice.from + to];
    update();
  };
  byId('filters').addEventListener('change', update);
  byId('filters').addEventListener('submit', (event) => event.preventDefault());
  byId('filters').addEventListener('reset', (event) => {
    event.preventDefault();
    restore('');
    byId('from').value = 0;
    byId('to').value = sums.times.length - 1;
    update();
  });
  byId('by').addEventListener('change', () => {
    view.off.clear();
    delete byId('cost-table').tableSort;
    update();
  });
  restore(location.hash.slice(1));
  read(sums, choice);
  choice.touched = false;
  redraw(view);
  const again = onResize(() => redraw(view));
  window.addEventListener('resize', again);
  window.addEventListener('beforeprint', () => redraw(view));
}

function redraw(view) {
  const { sums, choice } = view;
  view.anyTime = sums.select({ wanted: choice.wanted });
  view.rows = view.anyTime.filter((row) => sums.timeOf[row] >= choice.from && sums.timeOf[row] <= choice.to);
  view.labels = sums.times.slice(choice.from, choice.to + 1).map(timeLabel);
  for (const part of [drawPeriod, drawFigures, drawUnpriced, drawAbout]) part(view);
  const empty = !sums.times.length;
  for (const section of document.querySelectorAll('main .card, main .pair')) section.hidden = empty && !section.querySelector('#about');
  if (empty) return;
  for (const part of [drawCost, drawMonth, drawBudgets, drawTokens, drawLatency, drawErrors, drawDetours, drawDearest]) part(view);
}

function drawPeriod({ sums, choice }) {
  const format = (time) => longFormat.format(Date.parse(time.slice(0, 10) + 'T00:00:00Z')) + (time.length > 10 ? `, ${time.slice(11)}:00` : '');
  const [from, to] = [sums.times[choice.from], sums.times[choice.to]];
  byId('period').textContent = from ? `${format(from)} – ${format(to)} (UTC)` : 'No calls in these lines.';
}

function offer(sums, choice) {
  const times = sums.times.map((time, at) => [at, timeLabel(time)]);
  setOptions(byId('from'), times, choice.from);
  setOptions(byId('to'), times, choice.to);
  for (const name of ['route', 'model', 'tenant', 'status']) {
    setOptions(byId(name), [['', 'All'], ...options(sums, name)], '');
  }
  const tags = sums.tagNames;
  byId('tag-label').hidden = !tags.length;
  byId('tag').replaceChildren(make('option', { value: '' }, 'All'), ...tags.map((name) =>
    make('optgroup', { label: name.slice(4) }, ...options(sums, name).map(([place, text]) => make('option', { value: `${name.length}:${name}:${place}` }, text)))));
  const dimensions = ['model', 'deployment', 'provider', 'route', 'tenant', ...tags];
  setOptions(byId('by'), dimensions.map((name) => [name, name.replace(/^tag:/, 'tag ')]), choice.by);
}

function options(sums, name) {
  const used = new Set(sums.codes(name));
  return sums.values(name).map((value, place) => [place, nameOf(value)]).filter(([place]) => used.has(place));
}

function read(sums, choice) {
  const [from, to] = [Number(byId('from').value), Number(byId('to').value)];
  [choice.from, choice.to] = [Math.min(from, to), Math.max(from, to)];
  choice.by = byId('by').value;
  choice.touched = true;
  choice.wanted = {};
  choice.values = {};
  for (const filter of FILTERS) {
    const { value } = byId(filter);
    byId(filter).classList.toggle('set', value !== '');
    if (value === '') continue;
    const [dimension, place] = filter === 'tag' ? tagChoice(value) : [filter, Number(value)];
    choice.wanted[dimension] = place;
    choice.values[filter] = sums.values(dimension)[place];
  }
}

function tagChoice(value) {
  const length = Number(value.slice(0, value.indexOf(':')));
  const rest = value.slice(value.indexOf(':') + 1);
  return [rest.slice(0, length), Number(rest.slice(length + 1))];
}

const KEPT = [...FILTERS, 'from', 'to', 'by'];

function remember() {
  const words = new URLSearchParams(KEPT.map((name) => [name, byId(name).value]));
  try { history.replaceState(null, '', '#' + words); } catch { /* some viewers forbid it; the page works without */ }
}

function restore(hash) {
  const words = new URLSearchParams(hash);
  for (const name of KEPT) {
    const select = byId(name);
    const value = words.get(name);
    if (value !== null && [...select.options].some((option) => option.value === value)) select.value = value;
    else if (FILTERS.includes(name)) select.value = '';
  }
}

function themeButton() {
  const root = document.documentElement;
  const button = byId('theme');
  const dark = () => (root.dataset.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';
  const show = () => { button.textContent = dark() ? 'Light theme' : 'Dark theme'; };
  button.addEventListener('click', () => {
    root.dataset.theme = dark() ? 'light' : 'dark';
    show();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', show);
  show();
}

function onResize(draw) {
  let width = document.documentElement.clientWidth;
  let waiting = 0;
  return () => {
    if (document.documentElement.clientWidth === width) return;
    width = document.documentElement.clientWidth;
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(draw);
  };
}

readReport().then(start).catch((error) => {
  byId('period').textContent = 'This report cannot be shown by this browser: ' + error.message;
});
