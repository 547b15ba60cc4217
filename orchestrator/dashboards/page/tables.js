// Tables that sort: a press on a heading sorts by it, a second one the other way round.

const SHOWN_ROWS = 200;

// spec: caption, columns [{name, number, look(values), show(value, row), exact(value), cell}], rows, sort [column, descending].
function table(host, spec) {
  host.tableSort ??= spec.sort ?? null;
  const head = make('tr', {}, ...spec.columns.map((column, at) => heading(host, spec, column, at)));
  const rows = sorted(spec.rows, host.tableSort);
  spec.columns.forEach((column, at) => column.look?.(spec.rows.map((row) => row[at])));
  const body = make('tbody', {}, ...rows.slice(0, SHOWN_ROWS).map((row) => make('tr', {}, ...spec.columns.map((column, at) => cell(column, row, at)))));
  const left = rows.length - SHOWN_ROWS;
  const caption = spec.caption + (left > 0 ? ` (the first ${SHOWN_ROWS} of ${rows.length})` : '');
  const region = make('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': spec.caption },
    make('table', {}, make('caption', { class: 'hidden' }, caption), make('thead', {}, head), body));
  // The caption that is seen stands outside, where it wraps on a phone instead of scrolling with the columns.
  host.replaceChildren(make('p', { class: 'caption', 'aria-hidden': true }, caption), region);
}

function heading(host, spec, column, at) {
  const [chosen, descending] = host.tableSort ?? [];
  const mark = chosen === at ? (descending ? ' ↓' : ' ↑') : '';
  const button = make('button', { type: 'button' }, column.name, make('span', { 'aria-hidden': true }, mark));
  button.addEventListener('click', () => {
    host.tableSort = [at, chosen === at ? !descending : Boolean(column.number)];
    table(host, spec);
    host.querySelectorAll('thead button')[at].focus();
  });
  const order = chosen === at ? (descending ? 'descending' : 'ascending') : null;
  return make('th', { scope: 'col', class: column.number ? 'num' : null, 'aria-sort': order }, button);
}

function sorted(rows, sort) {
  if (!sort) return rows;
  const [at, descending] = sort;
  const sign = descending ? -1 : 1;
  const order = (left, right) => (typeof left === 'string' || typeof right === 'string' ? String(left).localeCompare(String(right)) : left < right ? -1 : left > right ? 1 : 0);
  return [...rows].sort((left, right) => sign * order(left[at] ?? '', right[at] ?? ''));
}

function cell(column, row, at) {
  const value = row[at];
  const shown = column.show ? column.show(value, row) : nameOf(value);
  const exact = column.exact?.(value, row) ?? null;
  return make(at === 0 ? 'th' : 'td', { scope: at === 0 ? 'row' : null, class: column.number ? 'num' : column.cell ?? null, title: exact, 'data-exact': exact }, shown);
}

// All amounts of a column have the same number of digits after the point, so that they can be compared by eye.
function moneyColumn(name, scale) {
  let places = 2;
  const look = (column) => { places = placesFor(column.filter((units) => units !== null).map((units) => dollars(units, scale))); };
  return { name, number: true, look, show: (units) => evenMoney(dollars(units, scale), places), exact: (units) => exactMoney(units, scale) };
}

const countColumn = (name, show = whole) => ({ name, number: true, show });
