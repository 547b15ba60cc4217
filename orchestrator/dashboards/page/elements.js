// Everything that a log says reaches the page through textContent and setAttribute, never as markup.

const byId = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    const flag = typeof value === 'boolean' && !name.startsWith('aria-');
    if (value === null || value === undefined || (flag && !value)) continue;
    element.setAttribute(name, flag ? '' : String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

function setOptions(select, options, chosen) {
  select.replaceChildren(...options.map(([value, text]) => make('option', { value }, text)));
  select.value = String(chosen);
}
