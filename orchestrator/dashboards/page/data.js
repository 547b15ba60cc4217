// The sums: one row per combination of time, route, model, deployment, provider, tenant, tags, status and error.

async function readReport() {
  const element = byId('data');
  if (element.type !== 'application/gzip') return JSON.parse(element.textContent);
  const bytes = Uint8Array.from(atob(element.textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return JSON.parse(await new Response(stream).text());
}

class Sums {
  constructor(report) {
    this.report = report;
    this.scale = report.scale;
    this.rows = Uint32Array.from({ length: report.rows }, (_, row) => row);
    this.money = {};
    this.times = this.#times();
    this.index = new Map(this.times.map((time, at) => [time, at]));
    const { values, codes } = report.keys.time;
    this.timeOf = codes.map((code) => this.index.get(values[code]));
  }

  get hourly() { return this.report.grain === 'hour'; }

  get tagNames() { return Object.keys(this.report.keys).filter((name) => name.startsWith('tag:')); }

  values(dimension) { return this.report.keys[dimension]?.values ?? []; }

  codes(dimension) { return this.report.keys[dimension]?.codes ?? []; }

  // Days and hours without a call are on the axis too.
  #times() {
    const found = this.values('time').filter((time) => time !== null).sort();
    if (!found.length) return [];
    const step = this.hourly ? 3600e3 : 86400e3;
    const length = this.hourly ? 13 : 10;
    const at = (time) => Date.parse(this.hourly ? time + ':00:00Z' : time + 'T00:00:00Z');
    const last = at(found[found.length - 1]);
    if (!Number.isFinite(at(found[0])) || !Number.isFinite(last)) return found;
    const times = [];
    for (let time = at(found[0]); time <= last && times.length < 4000; time += step) {
      times.push(new Date(time).toISOString().slice(0, length));
    }
    return found.every((time) => times.includes(time)) ? times : found;
  }

  // Rows that fit: `wanted` maps a dimension to the place of a value; from and to are places in `times`.
  select({ wanted = {}, from = 0, to = Infinity }) {
    const tests = Object.entries(wanted).map(([name, place]) => [this.codes(name), place]);
    return this.rows.filter((row) => {
      const time = this.timeOf[row];
      return time >= from && time <= to && tests.every(([codes, place]) => codes[row] === place);
    });
  }

  count(rows, measure) {
    const column = this.report.measures[measure];
    if (!column) return 0;
    let sum = 0;
    for (const row of rows) sum += column[row];
    return sum;
  }

  dollars(rows, measure = 'cost_usd') {
    const column = this.#units(measure);
    let sum = 0n;
    if (column) for (const row of rows) sum += column[row];
    return sum;
  }

  #units(measure) {
    if (!(measure in this.money)) this.money[measure] = this.report.measures[measure]?.map(BigInt);
    return this.money[measure];
  }

  group(rows, keyOf) {
    const groups = new Map();
    for (const row of rows) {
      const key = keyOf(row);
      const found = groups.get(key);
      if (found) found.push(row); else groups.set(key, [row]);
    }
    return groups;
  }

  by(rows, dimension) {
    const values = this.values(dimension);
    const codes = this.codes(dimension);
    return [...this.group(rows, (row) => codes[row])].map(([code, found]) => [values[code], found]);
  }

  overTime(rows) {
    const slots = this.times.map(() => []);
    for (const row of rows) slots[this.timeOf[row]].push(row);
    return slots;
  }

  // Percentiles cannot be added up: they were made for everything, each route and each model.
  latency(of, value) {
    const { keys, measures } = this.report.latency;
    const found = { whole: null, times: this.times.map(() => null) };
    keys.of.codes.forEach((code, row) => {
      if (keys.of.values[code] !== of || keys.value.values[keys.value.codes[row]] !== value) return;
      const time = keys.time.values[keys.time.codes[row]];
      const entry = Object.fromEntries(Object.entries(measures).map(([name, column]) => [name, column[row]]));
      if (time === null) found.whole = entry; else found.times[this.index.get(time)] = entry;
    });
    return found;
  }
}

const nameOf = (value) => (value === null || value === undefined ? '(none)' : value);

const dayFormat = new Intl.DateTimeFormat('en', { timeZone: 'UTC', month: 'short', day: 'numeric' });
const longFormat = new Intl.DateTimeFormat('en', { timeZone: 'UTC', month: 'long', day: 'numeric', year: 'numeric' });

function timeLabel(time) {
  const day = Date.parse(time.slice(0, 10) + 'T00:00:00Z');
  if (!Number.isFinite(day)) return time;
  return dayFormat.format(day) + (time.length > 10 ? ' ' + time.slice(11) + ':00' : '');
}
