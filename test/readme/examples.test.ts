import t from 'tap'
import { guided, guideTo, read } from './documents.js'

/*
 * The examples in docblocks are parts of the README and the guides, whose code is run or type-checked.
 */

t.test('each example of a docblock is in a guide, line by line', async t => {
  const guides = [read('README.md'), ...guided.map(guideTo)].map(text => text.replace(/^ +/gm, ''))
  const examples = [...read('src/decorator.ts').matchAll(/@example\n\s*\* ```ts\n([^]*?)\s*\* ```/g)].map(([, code = '']) => code.replace(/^\s*\* */gm, '').trim())
  t.ok(examples.length >= 7, String(examples.length))
  for (const example of examples) t.ok(guides.some(guide => guide.includes(example)), example)
})
