// A page as a value: `h` describes elements, `patch` makes the document so, and changes only what differs.
//
// Owns the document's nodes; elements that stay keep their focus, their selection and what was typed. Text is only ever
// set as text. The one place where markup is read is `svg`, which takes the pictures that chart.js has escaped.

const policy = globalThis.trustedTypes?.createPolicy("chart", { createHTML: (text) => text });

export function h(tag, props, ...children) {
  const [name, ...classes] = tag.split(".");
  const given = props ?? {};
  const all = [...classes, given.class].filter(Boolean).join(" ");
  return { tag: name || "div", props: all ? { ...given, class: all } : given, children: flat(children) };
}

/** A picture of chart.js. */
export const svg = (text) => ({ picture: text, props: {} });

const flat = (children) => children.flat(Infinity).filter((child) => child !== null && child !== undefined
  && child !== false && child !== true);

const known = new WeakMap();

/** What could reorder or hide the text around it is shown as a sign of its own. */
const plain = (text) => String(text).replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");

function create(wanted) {
  if (typeof wanted !== "object") return document.createTextNode(plain(wanted));
  if (wanted.picture !== undefined) {
    const text = policy ? policy.createHTML(wanted.picture) : wanted.picture;
    const node = document.importNode(new DOMParser().parseFromString(text, "image/svg+xml").documentElement, true);
    known.set(node, wanted);
    return node;
  }
  const node = document.createElement(wanted.tag);
  known.set(node, { ...wanted, props: {} });
  update(node, wanted, true);
  return node;
}

function fits(node, wanted) {
  if (typeof wanted !== "object") return node.nodeType === Node.TEXT_NODE;
  const before = known.get(node);
  if (!before || (before.props.key ?? null) !== (wanted.props.key ?? null)) return false;
  return wanted.picture !== undefined ? before.picture === wanted.picture : before.tag === wanted.tag;
}

function update(node, wanted, isNew = false) {
  if (typeof wanted !== "object") {
    const text = plain(wanted);
    if (node.data !== text) node.data = text;
    return;
  }
  if (wanted.picture !== undefined) return;
  const before = known.get(node).props;
  const { props } = wanted;
  for (const name of Object.keys(before)) if (!(name in props)) setProperty(node, name, null, isNew);
  for (const [name, value] of Object.entries(props)) if (before[name] !== value) setProperty(node, name, value, isNew);
  known.set(node, wanted);
  // A node whose children are its owner's own business, such as a dialog that is open.
  if (!props.own) patch(node, wanted.children);
}

function setProperty(node, name, value, isNew) {
  if (name === "key" || name === "own") return;
  if (name.startsWith("on")) node[name] = value;
  else if (name === "width%") node.style.width = `${value}%`;
  else if (name === "value" || name === "open") {
    // What a person typed or opened stays; a form begins with what it is given.
    if (isNew && value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
    if (isNew && name === "value" && node.tagName !== "OPTION" && value !== null) node.value = value;
  } else if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else node.setAttribute(name, value === true ? "" : value);
}

/** Makes the children of `parent` what is wanted. Children with a `key` are moved with their state. */
export function patch(parent, ...wanted) {
  const keyed = new Map();
  for (const child of parent.childNodes) {
    const key = known.get(child)?.props.key;
    if (key !== undefined) keyed.set(key, child);
  }
  let at = parent.firstChild;
  for (const one of flat(wanted)) {
    const key = one.props?.key;
    const candidate = key !== undefined ? keyed.get(key) : at;
    if (candidate && fits(candidate, one)) {
      if (candidate === at) at = at.nextSibling;
      else parent.insertBefore(candidate, at);
      update(candidate, one);
      continue;
    }
    const made = create(one);
    parent.insertBefore(made, at);
    if (at && key === undefined && known.get(at)?.props.key === undefined) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}
