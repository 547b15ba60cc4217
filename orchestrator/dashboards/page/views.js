// One function per part of the page: each draws its part from the sums and the reader's choices.

const TOP = 8;

// `view` is {sums, rows (in the period and the filters), anyTime (in the filters), choice, labels, slots, ...}.
function drawFigures(view) {
  const { sums, rows, choice } = view;
  const halves = halvesOf(view);
  const calls = sums.count(rows, 'calls');
  const failed = sums.count(rows, 'failed');
  const cost = sums.dollars(rows);
  const saved = sums.dollars(rows, 'saved_usd');
  const unpriced = sums.count(rows, 'unpriced');
  const money = (units) => shortMoney(dollars(units, sums.scale));
  const exact = (units) => exactMoney(units, sums.scale);
  const error = (part) => sums.count(part, 'failed') / (sums.count(part, 'calls') || 1);
  const latency = latencyOf(view);
  const spend = change(halves, (part) => dollars(sums.dollars(part), sums.scale));
  byId('figures').replaceChildren(
    figure('Cost', money(cost), [`exactly $${exact(cost)}`, spend], exact(cost), 'cost'),
    figure('Calls', compact(calls), [`${compact(calls / Math.max(1, choice.to - choice.from + 1))} a${sums.hourly ? 'n hour' : ' day'}`, change(halves, (part) => sums.count(part, 'calls'))], calls, 'calls'),
    figure('Calls that failed', percent(failed, calls), [`${whole(failed)} calls`, change(halves, error, true)], failed, 'failed'),
    figure('Latency, p95', milliseconds(latency.found.whole?.p95_ms), [latency.scope, p95Change(view, latency)], latency.found.whole?.p95_ms, 'p95'),
    figure('Saved by caches', money(saved), [`${percent(sums.count(rows, 'cache_read_tokens'), sums.count(rows, 'input_tokens'))} of input read from caches`, change(halves, (part) => dollars(sums.dollars(part, 'saved_usd'), sums.scale))], exact(saved), 'saved'),
    figure('Unpriced attempts', compact(unpriced), [`${compact(sums.count(rows, 'unpriced_tokens'))} tokens not in the cost`, change(halves, (part) => sums.count(part, 'unpriced'))], unpriced, 'unpriced'),
  );
  byId('live').textContent = choice.touched ? `${money(cost)} for ${whole(calls)} calls in this selection.` : '';
}

function figure(name, value, notes, exact, key) {
  return make('li', { 'data-figure': key, 'data-exact': exact }, make('span', { class: 'name' }, name),
    make('span', { class: 'value' }, value), ...notes.filter(Boolean).map((note) => make('span', { class: 'note' }, note)));
}

function halvesOf({ sums, rows, choice }) {
  const half = Math.floor((choice.to - choice.from + 1) / 2);
  if (!half) return null;
  const early = rows.filter((row) => sums.timeOf[row] < choice.from + half);
  const late = rows.filter((row) => sums.timeOf[row] > choice.to - half);
  return [early, late];
}

function change(halves, measure, points = false) {
  if (!halves) return null;
  const [before, after] = halves.map(measure);
  if (points) return changeText((after - before) * 100, 'points');
  return before > 0 ? changeText((after / before - 1) * 100, '%') : null;
}

function changeText(value, unit) {
  if (Math.abs(value) < 0.05) return 'as in the first half';
  const size = Math.abs(value) < 10 ? Math.abs(value).toFixed(1) : whole(Math.abs(value));
  return `${value > 0 ? '▲' : '▼'} ${size} ${unit} on the first half`;
}

function p95Change({ choice }, { found }) {
  const half = Math.floor(found.times.length / 2);
  if (!half || choice.from > 0 || choice.to < found.times.length - 1) return null;
  const typical = (entries) => median(entries.map((entry) => entry?.p95_ms).filter((value) => value > 0));
  const [before, after] = [typical(found.times.slice(0, half)), typical(found.times.slice(-half))];
  return before && after ? changeText((after / before - 1) * 100, '%') : null;
}

function median(values) {
  const ordered = values.sort((left, right) => left - right);
  return ordered[Math.floor(ordered.length / 2)];
}

function drawCost(view) {
  const { sums, rows, choice, labels } = view;
  const groups = ranked(sums, sums.by(rows, choice.by));
  const total = sums.dollars(rows);
  const value = (found) => overPeriod(view, found, (part) => dollars(sums.dollars(part), sums.scale));
  const series = topAndOthers(groups.filter(([, found]) => sums.dollars(found) > 0n)).map(([name, found], at) => ({ name, color: at + 1, values: value(found) }));
  const first = groups[0];
  const what = choice.by.replace(/^tag:/, 'tag ');
  chart(byId('cost'), {
    title: `Cost over time by ${what}`, labels, series, kind: 'bars', axis: axisMoney, format: shortMoney, off: view.off,
    summary: first && total > 0n
      ? `${shortMoney(dollars(total, sums.scale))} from ${labels[0]} to ${labels[labels.length - 1]}; ${nameOf(first[0])} is the largest ${what} with ${percent(dollars(sums.dollars(first[1]), sums.scale), dollars(total, sums.scale))}. Draw across the chart to choose a period.`
      : 'No priced calls in this selection.',
    brush: view.brush,
  });
  table(byId('cost-table'), {
    caption: `Cost by ${what}${sums.count(rows, 'unpriced') ? '; “≥” marks sums without the usage that has no price' : ''}`, sort: [1, true],
    columns: [{ name: what[0].toUpperCase() + what.slice(1) }, costColumn(sums), countColumn('Share', tenths), countColumn('Calls'), countColumn('Tokens in', compact), countColumn('Tokens out', compact), { name: 'Per call', number: true, show: (value, row) => (value || !row[row.length - 1] ? shortMoney(value) : '–') }, countColumn('Failed', tenths)],
    rows: groups.map(([name, found]) => costRow(sums, name, found, total)),
  });
}

// Dollars that are known; what has no price is said beside them, and alone where nothing is known.
function costColumn(sums) {
  const column = moneyColumn('Cost', sums.scale);
  const show = (units, row) => {
    const missing = row[row.length - 1];
    return units === 0n && missing ? 'no price' : (missing ? '≥ ' : '') + column.show(units);
  };
  return { ...column, show, exact: (units, row) => (units === 0n && row[row.length - 1] ? null : column.exact(units)) };
}

function costRow(sums, name, found, total) {
  const cost = sums.dollars(found);
  const calls = sums.count(found, 'calls');
  const value = dollars(cost, sums.scale);
  return [name, cost, total ? value / dollars(total, sums.scale) : 0, calls, sums.count(found, 'input_tokens'), sums.count(found, 'output_tokens'), calls ? value / calls : 0, calls ? sums.count(found, 'failed') / calls : 0, sums.count(found, 'unpriced')];
}

function ranked(sums, groups) {
  const costs = new Map(groups.map(([name, found]) => [name, sums.dollars(found)]));
  return groups.sort(([left, leftRows], [right, rightRows]) => {
    const [a, b] = [costs.get(left), costs.get(right)];
    return a < b ? 1 : a > b ? -1 : rightRows.length - leftRows.length;
  });
}

function topAndOthers(groups) {
  const named = groups.slice(0, TOP).map(([name, found]) => [nameOf(name), found]);
  const rest = groups.slice(TOP);
  return rest.length ? [...named, [`${rest.length} others`, rest.flatMap(([, found]) => found)]] : named;
}

const overPeriod = ({ sums, choice }, rows, measure) => sums.overTime(rows).slice(choice.from, choice.to + 1).map(measure);

function drawTokens(view) {
  const { sums, rows, labels } = view;
  const count = (part, name) => sums.count(part, name);
  const kinds = [
    ['Input', (part) => Math.max(0, count(part, 'input_tokens') - count(part, 'cache_read_tokens') - count(part, 'cache_write_tokens'))],
    ['Read from cache', (part) => count(part, 'cache_read_tokens')],
    ['Written to cache', (part) => count(part, 'cache_write_tokens')],
    ['Output', (part) => Math.max(0, count(part, 'output_tokens') - count(part, 'reasoning_tokens'))],
    ['Reasoning', (part) => count(part, 'reasoning_tokens')],
  ];
  const saved = dollars(sums.dollars(rows, 'saved_usd'), sums.scale);
  chart(byId('tokens'), {
    title: 'Tokens over time by kind', labels, kind: 'bars', axis: compact, format: compact, off: view.hidden.tokens,
    series: kinds.map(([name, measure], at) => ({ name, color: at + 1, values: overPeriod(view, rows, measure) })),
    summary: `${compact(count(rows, 'input_tokens'))} tokens in and ${compact(count(rows, 'output_tokens'))} out; ${percent(count(rows, 'cache_read_tokens'), count(rows, 'input_tokens'))} of the input was read from caches, which saved ${shortMoney(saved)}.`,
  });
}

function latencyOf({ sums, choice }) {
  const { route, model } = choice.values;
  const others = ['tenant', 'tag', 'status'].some((name) => choice.values[name] !== undefined);
  const both = route !== undefined && model !== undefined;
  const [of, value] = both || (route === undefined && model === undefined) ? ['all', null] : route !== undefined ? ['route', route] : ['model', model];
  const whose = of === 'all' ? 'all answered calls' : `answered calls of ${of} ${nameOf(value)}`;
  const period = choice.from > 0 || choice.to < sums.times.length - 1;
  return { found: sums.latency(of, value), scope: `${whose}${period ? ', whole period' : ''}`, partly: others || both };
}

function drawLatency(view) {
  const { choice, labels } = view;
  const { found, scope, partly } = latencyOf(view);
  const times = found.times.slice(choice.from, choice.to + 1);
  const values = (name) => times.map((entry) => entry?.[name] ?? null);
  const whole = found.whole;
  chart(byId('latency'), {
    title: 'Latency over time', labels, kind: 'lines', axis: milliseconds, format: milliseconds, off: view.hidden.latency,
    series: [
      { name: 'p50', color: 1, values: values('p50_ms') },
      { name: 'p95', color: 2, values: values('p95_ms') },
      { name: 'p99', color: 4, values: values('p99_ms') },
      { name: 'First token, p50', color: 3, dash: 'dash', values: values('first_p50_ms') },
      { name: 'First token, p95', color: 6, dash: 'dash2', values: values('first_p95_ms') },
    ],
    summary: whole
      ? `Half of ${scope} took up to ${milliseconds(whole.p50_ms)}, 95 % up to ${milliseconds(whole.p95_ms)}; the first token of a stream came within ${milliseconds(whole.first_p50_ms)} for half.${partly ? ' Percentiles are known per route or per model; the other filters do not act here.' : ''}`
      : 'No answered calls.',
  });
}

function drawErrors(view) {
  const { sums, rows, labels } = view;
  const groups = sums.by(rows, 'error').filter(([, found]) => sums.count(found, 'errors') + sums.count(found, 'failed'));
  groups.sort(([, left], [, right]) => sums.count(right, 'errors') - sums.count(left, 'errors'));
  const attempts = sums.count(rows, 'attempts');
  const errors = sums.count(rows, 'errors');
  const calls = sums.count(rows, 'failed');
  chart(byId('errors'), {
    title: 'Failed attempts over time by class', labels, kind: 'bars', axis: compact, format: whole, off: view.hidden.errors,
    series: topAndOthers(groups).map(([name, found], at) => ({ name, color: at + 1, values: overPeriod(view, found, (part) => sums.count(part, 'errors')) })),
    summary: `${whole(errors)} of ${whole(attempts)} attempts failed; ${whole(calls)} calls got no answer.`,
    empty: 'No attempt failed in this selection.',
  });
  byId('errors-table').hidden = !groups.length;
  table(byId('errors-table'), {
    caption: 'Errors by class', sort: [1, true],
    columns: [{ name: 'Class' }, countColumn('Attempts'), countColumn('Calls lost'), moneyColumn('Price', sums.scale)],
    rows: groups.map(([name, found]) => [name, sums.count(found, 'errors'), sums.count(found, 'failed'), sums.dollars(found, 'lost_usd')]),
  });
}

function drawDetours(view) {
  const { sums, rows, labels } = view;
  const kinds = [['Retries', 'retries'], ['Failovers', 'failovers'], ['Repairs', 'repairs']];
  const lost = sums.dollars(rows, 'lost_usd');
  const total = sums.dollars(rows);
  chart(byId('detours'), {
    title: 'Retries, failovers and repairs over time', labels, kind: 'bars', axis: compact, format: whole, off: view.hidden.detours,
    series: kinds.map(([name, measure], at) => ({ name, color: at + 1, values: overPeriod(view, rows, (part) => sums.count(part, measure)) })),
    summary: `${whole(sums.count(rows, 'retries'))} retries, ${whole(sums.count(rows, 'failovers'))} failovers and ${whole(sums.count(rows, 'repairs'))} repairs; attempts that failed cost ${shortMoney(dollars(lost, sums.scale))}, ${percent(dollars(lost, sums.scale), dollars(total, sums.scale))} of all.`,
    empty: 'Every call was answered at the first attempt.',
  });
  const groups = ranked(sums, sums.by(rows, 'deployment')).filter(([, found]) => kinds.some(([, measure]) => sums.count(found, measure)) || sums.dollars(found, 'lost_usd'));
  byId('detours-table').hidden = !groups.length;
  table(byId('detours-table'), {
    caption: 'Where they went: a failover counts at the deployment that took over, its price at the one that failed', sort: [4, true],
    columns: [{ name: 'Deployment' }, ...kinds.map(([name]) => countColumn(name)), moneyColumn('Price of failures', sums.scale)],
    rows: groups.map(([name, found]) => [name, ...kinds.map(([, measure]) => sums.count(found, measure)), sums.dollars(found, 'lost_usd')]),
  });
}

function drawUnpriced(view) {
  const { sums, rows } = view;
  const groups = sums.by(rows, 'model').filter(([, found]) => sums.count(found, 'unpriced'));
  const attempts = sums.count(rows, 'unpriced');
  const reasons = Object.entries(sums.report.unpriced).map(([reason, count]) => `${reason} (${whole(count)})`).join('; ');
  const note = byId('unpriced-note');
  note.hidden = !attempts;
  note.textContent = `${whole(attempts)} attempts with ${compact(sums.count(rows, 'unpriced_tokens'))} tokens have no price and are in no sum of dollars: ${groups.map(([name]) => nameOf(name)).slice(0, 5).join(', ')}${groups.length > 5 ? ' and others' : ''}.`;
  const host = byId('unpriced');
  if (!attempts) return host.replaceChildren(make('p', { class: 'empty' }, 'Everything used in this selection has a price.'));
  const holder = make('div');
  host.replaceChildren(make('p', { class: 'summary' }, `Unknown is not free: these cost something that is in no sum here. Why, over the whole log: ${reasons || 'not said'}.`), holder);
  table(holder, {
    caption: 'Unpriced usage by model', sort: [1, true],
    columns: [{ name: 'Model' }, countColumn('Attempts'), countColumn('Tokens'), countColumn('Of its attempts', tenths)],
    rows: groups.map(([name, found]) => [name, sums.count(found, 'unpriced'), sums.count(found, 'unpriced_tokens'), sums.count(found, 'unpriced') / (sums.count(found, 'attempts') || 1)]),
  });
}

function drawDearest(view) {
  const { sums, choice } = view;
  const fits = (call) => ['route', 'model', 'tenant'].every((name) => choice.values[name] === undefined || call[name] === (choice.values[name] ?? ''))
    && between(sums, choice, call.ts);
  const all = sums.report.dearest;
  const calls = all.filter(fits);
  const host = byId('dearest');
  const holder = make('div');
  holder.tableSort = host.tableSort;
  host.replaceChildren(make('p', { class: 'summary' }, `${calls.length} of the ${all.length} dearest calls of the whole log fit the filters for period, route, model and tenant.`), holder);
  table(holder, {
    caption: 'Dearest calls', sort: [1, true],
    columns: [{ name: 'Call', cell: 'id' }, moneyColumn('Cost', sums.scale), { name: 'Time (UTC)', cell: 'short' }, { name: 'Route' }, { name: 'Model' }, { name: 'Tenant' }, countColumn('Tokens'), countColumn('Attempts')],
    rows: calls.map((call) => [call.call_id, BigInt(call.cost_usd), call.ts.slice(0, 19).replace('T', ' '), call.route, call.model, call.tenant || null, call.tokens, call.attempts]),
  });
}

function between(sums, choice, stamp) {
  const time = stamp.slice(0, sums.hourly ? 13 : 10);
  return !sums.times.length || (time >= sums.times[choice.from] && time <= sums.times[choice.to]);
}

function drawAbout({ sums }) {
  const { report } = sums;
  const faults = Object.entries(report.faults).filter(([, count]) => count).map(([name, count]) => `${name.replace(/_/g, ' ')}: ${whole(count)}`);
  const notices = Object.entries(report.notices).map(([name, { count, last }]) => `${name}: ${whole(count)}, last ${last}`);
  const folded = Object.values(report.keys).some(({ values }) => values.includes('(others)'));
  const facts = [
    ['Made', `${report.generated}${report.source ? ' from ' + report.source : ''}`],
    ['Money', 'US dollars, added up exactly; point at a rounded figure for all its digits. Models, deployments and errors count by attempt, routes, tenants and tags by call; both give the same sum.'],
    ['Time', `UTC, by ${report.grain}. Percentiles are by nearest rank over answered calls.`],
    ['Filters', `Act on every sum. Latency follows route or model only; the dearest calls are those of the whole log; budgets are never filtered.${folded ? ' Values that cost little are put together as (others).' : ''}`],
    ['Left out', faults.length ? faults.join('; ') : 'no line'],
    ...(notices.length ? [['Notices in the log', notices.join('; ')]] : []),
  ];
  byId('about').replaceChildren(make('dl', {}, ...facts.flatMap(([name, text]) => [make('dt', {}, name), make('dd', {}, text)])));
}
