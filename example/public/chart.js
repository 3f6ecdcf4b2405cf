/* global document */

/*
 * The chart of the lab, as SVG: bars of each second, and the life of each shop's access tokens as a band with marks. Rows, shapes and hatching say what
 * colors say.
 */

/** Seconds from the left to the right. */
const span = 180
const gap = 26

const shapes = {
  refreshed: 'M0-5a5 5 0 1 0 .01 0z',
  recovered: 'M0-6.5 6.5 0 0 6.5-6.5 0z',
  ended: 'M-4.5-4.5 4.5 4.5M4.5-4.5-4.5 4.5',
  failed: 'M0-5.5 5.5 4.5h-11z',
  refused: 'M-4.5-4.5h9v9h-9z'
}

/** What a deed is called in the row of deeds. */
const deeds = { refuse: 'refuse', slow: 'slow', lock: 'lock', callers: '100', 'end-token': 'end', 'drop-answer': 'drop', everything: 'all at once' }

function make (name, attributes, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
  element.append(...children)
  return element
}

/** The shape of a mark. */
export function mark (kind, attributes = {}) {
  return make('path', { d: shapes[kind], class: `mark ${kind}`, ...attributes })
}

/**
 * Draws the chart again.
 *
 * @param svg the element
 * @param state `now` in milliseconds, `seconds` (the numbers of each, oldest first), `shops`, `spans` of deeds
 */
export function draw (svg, { now, seconds, shops, spans }) {
  const width = svg.clientWidth
  const x = at => width * (1 - (now - at) / (span * 1000))
  const parts = [hatching()]
  let y = 0

  const title = (text, right = '') => {
    y += 13
    parts.push(make('text', { x: 0, y, class: 'row' }, text), make('text', { x: width, y, class: 'row', 'text-anchor': 'end' }, right))
    y += 5
  }

  /** A row of bars; each series is stacked on the one before. */
  const bars = (text, height, series) => {
    const sums = seconds.map(second => series.reduce((sum, [name]) => sum + second[name], 0))
    const most = Math.max(4, ...sums)
    const total = sums.reduce((total, sum) => total + sum, 0)
    title(text, width < 480 ? String(total) : `${total}, at most ${Math.max(0, ...sums)} a second`)
    const step = width / span
    const floors = seconds.map(() => 0)
    for (const [name, className] of series) {
      const d = seconds.map((second, i) => {
        const size = second[name] / most * height
        const left = width - (seconds.length - i) * step
        const top = y + height - floors[i] - size
        floors[i] += size
        return size === 0 ? '' : `M${left.toFixed(1)} ${top.toFixed(1)}h${Math.max(1.5, step - 0.6).toFixed(1)}v${size.toFixed(1)}h-${Math.max(1.5, step - 0.6).toFixed(1)}z`
      }).join('')
      parts.push(make('path', { d, class: className }))
    }
    y += height
    parts.push(make('path', { d: `M0 ${y + 0.5}H${width}`, class: 'ground' }))
    y += gap - 18
  }

  bars('Calls to Clover for tokens', 34, [['exchanges', 'calls'], ['refreshes', 'calls'], ['recoveries', 'calls strong']])
  bars('Tokens handed out', 44, [['served', 'served']])
  bars('Failures while a token lived', 18, [['failed', 'failed']])
  bars('Callers without a token while none lived', 18, [['without', 'without']])

  title('What you did')
  const everything = spans.filter(({ deed }) => deed === 'everything')
  let free = 0
  for (const { deed, since, until } of spans) {
    // Whatever is part of "all at once" is not drawn over it.
    if (deed !== 'everything' && everything.some(all => since >= all.since && since <= all.since + 1_000)) continue
    const left = Math.max(0, x(since))
    const right = Math.max(left + 3, x(until ?? now))
    const name = deeds[deed] ?? deed.replace('kill-', 'kill ')
    parts.push(make('rect', { x: left, y, width: right - left, height: 14, class: 'deed' }, make('title', {}, name)))
    const size = name.length * 7 + 4
    const start = Math.min(left + 2, width - size)
    if (start < free) continue
    parts.push(make('text', { x: start, y: y + 11, class: 'row ink' }, name))
    free = start + size
  }
  y += 14 + gap - 18

  for (const { name, lives, marks } of shops) {
    title(`Access tokens of ${name}`)
    for (const life of lives) {
      const left = Math.max(0, x(life.from))
      const right = Math.min(width, x(life.until))
      if (right > left) parts.push(make('rect', { x: left + 0.5, y: y + 0.5, width: Math.max(1, right - left - 1), height: 15, rx: 3, class: 'life' }))
    }
    for (const { at, kind } of marks) parts.push(mark(kind, { transform: `translate(${x(at).toFixed(1)} ${y + 8})` }))
    y += 16 + gap - 18
  }

  y += 13
  for (const [ago, anchor] of [[180, 'start'], [120, 'middle'], [60, 'middle'], [0, 'end']]) {
    parts.push(make('text', { x: x(now - ago * 1000), y, class: 'row', 'text-anchor': anchor }, ago === 0 ? 'now' : `${ago / 60} min ago`))
  }
  svg.setAttribute('height', Math.max(y + 6, 330))
  svg.replaceChildren(...parts)
}

function hatching () {
  return make('defs', {}, make('pattern', { id: 'hatch', width: 5, height: 5, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' }, make('path', { d: 'M0 0v5', class: 'hatch' })))
}
