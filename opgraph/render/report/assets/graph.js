// The picture of the graph: coloured by a quantity at the marked step, and what is clicked in it.

const pictures = new Map();

/** Take the pictures out of the page and make their boxes answer. */
function takePictures(holder) {
  for (const picture of document.querySelectorAll('#pictures > .picture')) {
    const which = picture.dataset.picture;
    const boxes = [];
    for (const element of picture.querySelectorAll('g.node')) {
      const number = Number(/-n(\d+)$/.exec(element.id)[1]);
      const inside = content.boxes[which][number];
      boxes.push({ element, inside });
      element.setAttribute('role', 'button');
      element.setAttribute('tabindex', '-1');
      element.addEventListener('click', () => choose(inside));
      element.addEventListener('focus', () => {
        picture.dataset.focus = String(number);
      });
    }
    pictures.set(which, { picture, boxes });
    holder.append(picture);
  }
}

/** A click on a node shows it; a click on a fold shows the first node inside, in the open picture. */
function choose(inside) {
  if (inside.length === 1 || !pictures.has('whole')) setState({ node: inside[0], view: 'node' });
  else {
    setState({ picture: 'whole', node: inside[0], view: 'node' });
    makeLegible();
  }
}

/** Enlarge a picture that had to shrink too much for its place; the chosen node stays in view. */
function makeLegible() {
  const svg = pictures.get(state.picture).picture.querySelector('svg');
  const scale = svg.getBoundingClientRect().width / Number(svg.getAttribute('width'));
  if (scale < 0.5) zoom(0.75 / scale);
  frameNodes(true);
}

function showPicture() {
  for (const [which, { picture }] of pictures) picture.hidden = which !== state.picture;
  const button = document.getElementById('fold');
  if (button) button.textContent = t(state.picture === 'folded' ? 'graph.unfold' : 'graph.fold');
  zoom(1);
}

/** Make the picture larger or smaller; as wide as its place, or as it was drawn if that is less, at first. */
function zoom(factor) {
  const svg = pictures.get(state.picture).picture.querySelector('svg');
  if (factor === 1) {
    svg.style.removeProperty('width');
    svg.style.removeProperty('max-width');
    return;
  }
  const width = svg.getBoundingClientRect().width * factor;
  svg.style.maxWidth = 'none';
  svg.style.width = `${Math.min(20000, Math.max(80, width))}px`;
}

/** Colour all boxes of the shown picture by the chosen quantity. */
function colourPicture() {
  const quantity = byName.get(state.colour);
  const { boxes } = pictures.get(state.picture);
  for (const { element, inside } of boxes) {
    const number = quantity ? joined(quantity, inside, state.step) : null;
    const name =
      inside.length === 1 ? nodes[inside[0]].name : t('graph.several', { count: inside.length });
    element.classList.toggle('tinted', Boolean(quantity) && number !== null);
    element.classList.toggle('unmeasured', Boolean(quantity) && number === null);
    if (quantity && number !== null) {
      const [paint, ink] = colourOf(quantity, number, state.theme);
      element.style.setProperty('--heat', paint);
      element.style.setProperty('--ink', ink);
    }
    const value = quantity
      ? `, ${label(quantity)} ${number === null ? t('page.unmeasured') : figure(number, quantity.unit)}`
      : '';
    element.setAttribute('aria-label', `${name}${value}`);
  }
}

/** Frame the chosen node and the one it is compared with, and bring the first into view. */
function frameNodes(scroll) {
  const { boxes, picture } = pictures.get(state.picture);
  for (const { element, inside } of boxes) {
    const chosen = state.node !== null && inside.includes(state.node);
    element.classList.toggle('chosen', chosen);
    element.classList.toggle('other', state.other !== null && inside.includes(state.other));
    element.setAttribute('aria-pressed', String(chosen));
    element.setAttribute(
      'tabindex',
      chosen || (state.node === null && element === boxes[0].element) ? '0' : '-1',
    );
    if (chosen && scroll && state.node !== null) reveal(picture.parentElement, element);
  }
}

function reveal(holder, element) {
  const [box, frame] = [element.getBoundingClientRect(), holder.getBoundingClientRect()];
  if (
    box.top >= frame.top &&
    box.bottom <= frame.bottom &&
    box.left >= frame.left &&
    box.right <= frame.right
  )
    return;
  holder.scrollBy({
    top: (box.top + box.bottom - frame.top - frame.bottom) / 2,
    left: (box.left + box.right - frame.left - frame.right) / 2,
  });
}

/** The scale of a quantity: a strip of its colours, its ticks, and what else a colour can mean. */
function scaleLegend(quantity) {
  if (!quantity) return h('p', { class: 'muted', text: t('graph.plain') });
  const { scale } = quantity;
  const look = content.colours[state.theme];
  const others = h(
    'span',
    { class: 'others' },
    h('span', { class: 'swatch dashed' }),
    t('page.unmeasured'),
    h('span', { class: 'swatch', style: { background: look.nan[0] } }),
    'NaN / Inf',
  );
  if (!scale) return h('div', { class: 'scale' }, others);
  const strip = h('div', {
    class: 'strip',
    'aria-hidden': 'true',
    style: {
      background: `linear-gradient(to right, ${look[scale.ramp].map(([paint]) => paint).join(',')})`,
    },
  });
  const marks = spaced(scale.ticks.map((tick) => [shareOf(scale, tick), tick]));
  const ticks_ = h(
    'div',
    { class: 'ticks' },
    marks.map(([share, tick]) =>
      h('span', {
        text: figure(tick, quantity.unit),
        style: { left: `${100 * share}%`, translate: `${-100 * share}%` },
      }),
    ),
  );
  return h('div', { class: 'scale' }, strip, ticks_, others);
}

/** Ticks that have room beside each other; both ends stay. */
function spaced(marks) {
  const [low, high, ...inner] = marks;
  const kept = high === undefined || high[0] === low[0] ? [low] : [low, high];
  for (const mark of inner)
    if (kept.every(([share]) => Math.abs(share - mark[0]) > 0.17)) kept.push(mark);
  return kept;
}
