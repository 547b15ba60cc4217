// Spend against budgets, and where the month is heading at the pace of its last whole days.

const DAY = 86400e3;
const PACE_DAYS = 7;

function dailySpend({ sums }, rows) {
  const days = new Map();
  sums.overTime(rows).forEach((found, at) => {
    const day = sums.times[at].slice(0, 10);
    days.set(day, (days.get(day) ?? 0) + dollars(sums.dollars(found), sums.scale));
  });
  return [...days];
}

// The last day is not over: it counts for the part that had passed at the last call.
function outlook(view, rows) {
  const { sums } = view;
  const days = dailySpend(view, rows);
  if (!days.length) return null;
  const last = days[days.length - 1][0];
  const month = last.slice(0, 7);
  const [year, number] = month.split('-').map(Number);
  const length = new Date(Date.UTC(year, number, 0)).getUTCDate();
  const inMonth = days.filter(([day]) => day.startsWith(month));
  const spent = inMonth.reduce((sum, [, value]) => sum + value, 0);
  const passed = Math.min(1, Math.max(1 / 24, (Date.parse(sums.report.last) - Date.parse(last + 'T00:00:00Z')) / DAY)) || 1;
  const whole = days.slice(0, -1).slice(-PACE_DAYS);
  const pace = whole.length ? whole.reduce((sum, [, value]) => sum + value, 0) / whole.length : spent / passed;
  const left = Math.max(0, length - Number(last.slice(8)) + 1 - passed);
  return { days: inMonth, month, length, last: Number(last.slice(8)), spent, pace, over: whole.length, forecast: spent + pace * left };
}

function drawMonth(view) {
  const { sums, anyTime } = view;
  const found = outlook(view, anyTime);
  const host = byId('month');
  if (!found) return host.replaceChildren(make('p', { class: 'empty' }, 'No calls.'));
  const spent = Array.from({ length: found.length }, () => null);
  let sum = 0;
  const first = Number(found.days[0][0].slice(8));
  for (let day = first; day <= found.last; day++) {
    sum += found.days.find(([name]) => Number(name.slice(8)) === day)?.[1] ?? 0;
    spent[day - 1] = sum;
  }
  const ahead = spent.map((_, at) => (at + 1 < found.last ? null : sum + ((found.forecast - sum) * (at + 1 - found.last)) / Math.max(1, found.length - found.last)));
  const limits = sums.report.budgets.filter((budget) => budget.per === 'all' && budget.window === 'month' && !Object.keys(budget.only).length);
  const partly = first > 1 ? ` The log starts on day ${first} of the month.` : '';
  chart(host, {
    title: `Spend in ${found.month}, added up`, kind: 'lines', axis: axisMoney, format: shortMoney, off: view.hidden.month, unit: 'Day',
    labels: spent.map((_, at) => timeLabel(`${found.month}-${String(at + 1).padStart(2, '0')}`)),
    series: [{ name: 'Spent', color: 1, values: spent }, { name: 'Forecast', color: 9, dash: 'dash2', values: ahead }],
    limits: limits.map(({ name, usd }) => ({ name, value: dollars(BigInt(usd), sums.scale) })),
    summary: `${shortMoney(found.spent)} spent in the month of the last call; ${shortMoney(found.forecast)} by its end at ${shortMoney(found.pace)} a day, the pace of ${found.over ? `the last ${found.over} whole days` : 'this day so far'}.${partly} The filters act here, the period does not.`,
  });
}

function drawBudgets(view) {
  const { sums } = view;
  const { budgets, notices } = sums.report;
  const host = byId('budgets');
  const rows = budgets.flatMap((budget) => spending(view, budget));
  const holder = make('div');
  const unseen = budgets.filter((budget) => !spentBy(view, budget)).map(({ name }) => name);
  const alerts = Object.entries(notices).filter(([name]) => name.startsWith('llm.budget.')).map(([name, { count, last }]) => `${name} ${whole(count)} times, last ${last}`);
  const notes = [
    budgets.length ? null : 'No budgets given: name the configuration by --file to see spend against them.',
    unseen.length ? `The sums of this page are too coarse for: ${unseen.join(', ')}.` : null,
    alerts.length ? `In the log: ${alerts.join('; ')}.` : null,
  ].filter(Boolean);
  host.replaceChildren(...notes.map((note) => make('p', { class: 'summary' }, note)));
  if (!rows.length) return;
  host.append(make('h3', {}, 'Budgets'), holder);
  table(holder, {
    caption: 'Spend in the latest window of each budget, the five largest shares of each', sort: [2, true],
    columns: [{ name: 'Budget' }, { name: 'Of' }, { name: 'Used', number: true, show: usedCell }, moneyColumn('Spent', sums.scale), moneyColumn('Limit', sums.scale), { name: 'Window', cell: 'short' }, { name: 'Forecast', number: true, show: (value) => (value === null ? '–' : shortMoney(value)) }],
    rows,
  });
}

function usedCell(share) {
  const bar = make('meter', { min: 0, max: 1, high: 0.8, low: 0.8, optimum: 0, value: Math.min(share, 1), 'aria-hidden': true });
  return make('div', { class: 'used' }, bar, shareText(share));
}

function spentBy({ sums }, { per: dimension, window, only }) {
  const length = { month: 7, day: 10, hour: sums.hourly ? 13 : 0 }[window];
  const needed = [...(dimension === 'all' ? [] : [dimension]), ...Object.keys(only)];
  if (!length || !sums.times.length || !needed.every((name) => sums.report.keys[name])) return null;
  const fits = Object.entries(only).map(([name, values]) => [sums.codes(name), new Set(values.map((value) => sums.values(name).indexOf(value)))]);
  const now = sums.times[sums.times.length - 1].slice(0, length);
  const rows = sums.rows.filter((row) => sums.times[sums.timeOf[row]].startsWith(now) && fits.every(([codes, places]) => places.has(codes[row])));
  return { now, groups: dimension === 'all' ? [['everything', rows]] : sums.by(rows, dimension), dimension };
}

function spending(view, budget) {
  const { sums } = view;
  const found = spentBy(view, budget);
  if (!found) return [];
  const limit = BigInt(budget.usd);
  return ranked(sums, found.groups).slice(0, 5).map(([name, rows]) => {
    const spent = sums.dollars(rows);
    const share = limit ? dollars(spent, sums.scale) / dollars(limit, sums.scale) : 1;
    return [budget.name, name, share, spent, limit, found.now, budget.window === 'month' && !Object.keys(budget.only).length ? ahead(view, found.dimension, name) : null];
  });
}

function ahead(view, dimension, name) {
  const { sums } = view;
  const place = sums.values(dimension).indexOf(name);
  return outlook(view, dimension === 'all' ? sums.rows : sums.select({ wanted: { [dimension]: place } }))?.forecast ?? null;
}
