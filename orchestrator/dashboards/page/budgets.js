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
  const limits = sums.report.budgets.filter((one) => one.per === 'all' && one.window === 'month' && one.period === found.month);
  const partly = first > 1 ? ` The log starts on day ${first} of the month.` : '';
  chart(host, {
    title: `Spend in ${found.month}, added up`, kind: 'lines', axis: axisMoney, format: shortMoney, off: view.hidden.month, unit: 'Day',
    labels: spent.map((_, at) => timeLabel(`${found.month}-${String(at + 1).padStart(2, '0')}`)),
    series: [{ name: 'Spent', color: 1, values: spent }, { name: 'Forecast', color: 9, dash: 'dash2', values: ahead }],
    limits: limits.map((one) => ({ name: one.budget, value: dollars(BigInt(one.limit_usd), sums.scale) })),
    summary: `${shortMoney(found.spent)} spent in the month of the last call; ${shortMoney(found.forecast)} by its end at ${shortMoney(found.pace)} a day, the pace of ${found.over ? `the last ${found.over} whole days` : 'this day so far'}.${partly} The filters act here, the period does not.`,
  });
}

// Budgets are told by the lines alone: what was counted in the latest window of each, in its own time zone.
function drawBudgets(view) {
  const { sums } = view;
  const { budgets, notices } = sums.report;
  const host = byId('budgets');
  const alerts = Object.entries(notices).filter(([name]) => name.startsWith('llm.budget.')).map(([name, { count, last }]) => `${name} ${whole(count)} times, last ${last.slice(0, 16).replace('T', ' ')}`);
  const holder = make('div');
  holder.tableSort = host.querySelector('.sorted')?.tableSort;
  holder.className = 'sorted';
  host.replaceChildren(make('h3', {}, 'Budgets'));
  if (alerts.length) host.append(make('p', { class: 'summary' }, `In the log: ${alerts.join('; ')}.`));
  if (!budgets.length) return host.append(make('p', { class: 'empty' }, 'No call in these lines was counted in a budget.'));
  host.append(holder);
  const unpriced = budgets.some((one) => one.unpriced);
  table(holder, {
    caption: `Spend in the latest window of each budget${unpriced ? '; “≥” marks sums without the usage that has no price' : ''}`, sort: [2, true],
    columns: [{ name: 'Budget' }, { name: 'Of', cell: 'name' }, { name: 'Used', number: true, show: usedCell }, spentColumn(sums), moneyColumn('Limit', sums.scale), { name: 'Window', cell: 'short' }, { name: 'At this pace', number: true, show: paceCell }],
    rows: budgets.map((one) => budgetRow(view, one)),
  });
}

function budgetRow(view, one) {
  const { sums } = view;
  const [spent, limit] = [BigInt(one.spent_usd), BigInt(one.limit_usd)];
  const used = dollars(spent, sums.scale);
  const passed = passedOf(one, sums.report.last);
  const share = limit ? used / dollars(limit, sums.scale) : 1;
  return [one.budget, one.whose || 'everyone', share, spent, limit, one.period.replace('T', ' '), passed ? used / passed : null, limit ? dollars(limit, sums.scale) : 0, one.unpriced];
}

// The part of the window that had passed at the last call of the log. A window that is over is whole.
function passedOf({ window, period }, last) {
  const begun = Date.parse(period.length === 7 ? period + '-01T00:00:00Z' : period.length === 10 ? period + 'T00:00:00Z' : period);
  const [year, month] = period.split('-').map(Number);
  const length = { hour: 3600e3, day: DAY, month: Date.UTC(year, month, 1) - Date.UTC(year, month - 1, 1) }[window];
  const passed = (Date.parse(last) - begun) / length;
  return Number.isFinite(passed) ? Math.min(1, Math.max(passed, 1 / 24)) : null;
}

function spentColumn(sums) {
  const column = moneyColumn('Spent', sums.scale);
  return { ...column, show: (units, row) => (row[row.length - 1] ? '≥ ' : '') + column.show(units) };
}

function usedCell(share) {
  const bar = make('span', { class: 'gauge' + (share >= 1 ? ' full' : share >= 0.8 ? ' near' : ''), 'aria-hidden': true }, make('span'));
  bar.firstChild.style.setProperty('width', `${Math.min(share, 1) * 100}%`);
  return make('div', { class: 'used' }, bar, make('span', { class: 'share' }, tenths(share)));
}

function paceCell(value, row) {
  if (value === null) return '–';
  const limit = row[row.length - 2];
  return make('span', limit && value > limit ? { class: 'over' } : {}, shortMoney(value));
}
