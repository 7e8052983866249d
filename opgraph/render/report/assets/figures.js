// What the views share: a figure with its chart, notes below it, choices, lines as small as a word.

function siteName(site) {
  return site.part ? `${nodes[site.node].name} ${site.part}` : nodes[site.node].name;
}

/** Options of a choice between quantities, by kind. */
function options(chosen, wanted = () => true) {
  return KINDS.map((kind) => {
    const some = nodeQuantities().filter((quantity) => quantity.kind === kind && wanted(quantity));
    return some.length
      ? h(
          'optgroup',
          { label: t(`kind.${kind}`) },
          some.map((quantity) =>
            h('option', {
              value: quantity.name,
              selected: quantity.name === chosen,
              text: label(quantity),
            }),
          ),
        )
      : null;
  });
}

/** What has to be known to read a quantity: which steps have it, and what was left out. */
function noteOf(quantity, wanted = 'page.wanted') {
  const { ends, width } = grids[quantity.grid];
  const notes = [];
  if (state.lang === 'en') notes.push(sentence(quantity.doc));
  if (width > 1) notes.push(t('page.thinned', { points: whole(ends.length), width: whole(width) }));
  else if (ends.length < run.last - run.first + 1)
    notes.push(t('page.scheduled', { count: whole(ends.length) }));
  if (quantity.wanted) notes.push(t(wanted, { value: figure(quantity.wanted) }));
  return notes.join(state.lang === 'en' ? ' ' : '');
}

function sentence(text) {
  const name = /^\w*_/.test(text); // of a column, as it is written
  return `${name ? text.charAt(0) : text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** A figure whose chart is made when it comes into view. */
function chartFigure({ title, heading = null, note = '', below = null, height = 190 }, make) {
  const holder = h('div', { class: 'chart', style: { minHeight: `${height + 6}px` } });
  const figure_ = h(
    'figure',
    {},
    h('div', { class: 'charthead' }, heading ?? h('h3', { text: title })),
    holder,
    note ? h('figcaption', { text: note }) : null,
    below,
  );
  whenSeen(holder, () => {
    const names = make(holder);
    if (names) holder.after(names);
  });
  return figure_;
}

/** A line as small as a word, with the marked step; an ornament beside exact numbers. */
function sparkline(lines, scale) {
  const [width, height] = [100, 24];
  const { start, end } = allSteps();
  const across = (step) => ((step - start) / (end - start)) * width;
  const all = lines.flatMap((line) => line.y).filter(Number.isFinite);
  const log = scale && scale.log && !scale.floor && all.some((number) => number > 0);
  const least = Math.log10(all.reduce((a, b) => (b > 0 && b < a ? b : a), Infinity));
  const fit = log ? (number) => (number > 0 ? Math.log10(number) : least) : (number) => number;
  const fitted = all.map(fit).filter(Number.isFinite);
  const low = fitted.reduce((a, b) => Math.min(a, b), Infinity);
  const high = fitted.reduce((a, b) => Math.max(a, b), -Infinity);
  const up = (number) =>
    high > low ? 2 + (height - 4) * (1 - (fit(number) - low) / (high - low)) : height / 2;
  const svg = s('svg', {
    class: 'spark',
    viewBox: `0 0 ${width} ${height}`,
    'aria-hidden': 'true',
    preserveAspectRatio: 'none',
  });
  lines.forEach((line, number) => {
    const points = line.x
      .map((step, i) => [across(step), up(line.y[i])])
      .filter(([, y]) => Number.isFinite(y));
    svg.append(
      s('polyline', {
        class: `spark-${number}`,
        points: points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' '),
      }),
    );
  });
  svg.append(s('line', { class: 'spark-mark', y1: 0, y2: height }));
  svg.across = across;
  placeMark(svg, state.step);
  return svg;
}

function placeMark(svg, step) {
  const mark = svg.lastChild;
  mark.setAttribute('x1', svg.across(step));
  mark.setAttribute('x2', svg.across(step));
}
