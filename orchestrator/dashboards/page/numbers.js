// Money is BigInt in units of 10^-scale dollars: sums are exact, and only what is shown is rounded.

const thousands = (digits) => digits.replace(/\B(?=(\d{3})+$)/g, ',');

function exactMoney(units, scale) {
  const sign = units < 0n ? '-' : '';
  const digits = String(units < 0n ? -units : units).padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  const rest = digits.slice(digits.length - scale).replace(/0+$/, '');
  return sign + whole + (rest ? '.' + rest : '');
}

const dollars = (units, scale) => Number(exactMoney(units, scale));

function shortMoney(value) {
  const size = Math.abs(value);
  const sign = value < 0 ? '-$' : '$';
  if (size === 0) return '$0';
  const places = size >= 0.995 ? 2 : size >= 0.01 ? 4 : Math.min(12, 1 - Math.floor(Math.log10(size)));
  const [whole, rest] = size.toFixed(places).split('.');
  return sign + thousands(whole) + '.' + rest;
}

// Two digits where they say all, or where the amounts are large; else four.
function placesFor(values) {
  const cents = values.every((value) => Math.abs(value * 100 - Math.round(value * 100)) < 1e-9);
  return cents || Math.max(...values.map(Math.abs)) >= 100 ? 2 : 4;
}

function evenMoney(value, places) {
  if (!value || Math.abs(value) < 0.5 * 10 ** -places) return shortMoney(value);
  const [whole, rest] = Math.abs(value).toFixed(places).split('.');
  return (value < 0 ? '-$' : '$') + thousands(whole) + '.' + rest;
}

function axisMoney(value) {
  if (value >= 1000) return '$' + thousands(String(Math.round(value)));
  return '$' + String(Number(value.toPrecision(6)));
}

const whole = (value) => thousands(String(Math.round(value)));

function compact(value) {
  const [divisor, unit] = value >= 1e9 ? [1e9, 'B'] : value >= 1e6 ? [1e6, 'M'] : value >= 1e4 ? [1e3, 'k'] : [1, ''];
  return unit ? String(Number((value / divisor).toPrecision(3))) + unit : whole(value);
}

const percent = (part, all) => (all ? shareText(part / all) : '0 %');

function shareText(share) {
  const value = share * 100;
  return (value !== 0 && Math.abs(value) < 10 ? value.toFixed(value < 0.1 ? 2 : 1) : value.toFixed(0)) + ' %';
}

const tenths = (share) => (share * 100).toFixed(1) + ' %';

function milliseconds(value) {
  if (value === null || value === undefined) return '–';
  return value < 1000 ? Number(value.toPrecision(3)) + ' ms' : Number((value / 1000).toPrecision(3)) + ' s';
}

function niceTicks(top, wanted = 4) {
  if (!(top > 0)) return [0, 1];
  const rough = top / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough * 0.999) * power;
  const ticks = [];
  for (let i = 0; i * step < top * 1.0001 || ticks.length < 2; i++) ticks.push(i * step);
  if (ticks[ticks.length - 1] < top) ticks.push(ticks.length * step);
  return ticks;
}
