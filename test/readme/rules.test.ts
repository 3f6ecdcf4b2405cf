import { readdirSync } from 'node:fs'
import { join } from 'node:path/posix'
import t from 'tap'
import { guideTo, read } from './documents.js'

/*
 * The rules of the guide to tokens, by number: whoever reads a rule finds the function that keeps it, and the other way round.
 */

/** Each rule of the guide, with the files that it names; the first seven are in two files, which the guide names above them. */
const rules = [...guideTo('tokens').matchAll(/^\*\*(\d+)\. ([^]*?)\n\n(?=[*#])/gm)].map(([, number, text = '']) => {
  const named = [...text.matchAll(/\]\(([^)]+\.ts)\)/g)].map(([, link]) => join('src/tokens', String(link)))
  return { number: Number(number), files: Number(number) <= 7 ? ['src/tokens/refresh-protocol.ts', 'src/tokens/pair-writer.ts', ...named] : named }
})

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts')).map(name => join('src', name.replaceAll('\\', '/')))

/** The numbers in citations such as `(rule 7)` of a text. */
const citedIn = (text: string) => [...text.matchAll(/\(rule (\d+)\)/g)].map(([, number]) => Number(number))

const docblocks = new Map(sources.map(file => [file, [...read(file).matchAll(/\/\*\*[^]*?\*\//g)].map(([text]) => text.replace(/\s*\n\s*\* ?/g, ' ')).join('\n')]))

t.test('the guide numbers its rules without a gap', async t => {
  t.ok(rules.length >= 24, String(rules.length))
  t.same(rules.map(({ number }) => number), rules.map((_, i) => i + 1))
})

t.test('each rule is cited by a docblock of a file that the guide names for it', async t => {
  for (const { number, files } of rules) {
    t.ok(files.some(file => citedIn(docblocks.get(file) ?? '').includes(number)), `rule ${number}: ${files.join(', ')}`)
  }
})

t.test('no other number is cited, and nothing but a docblock cites one', async t => {
  const numbers = rules.map(({ number }) => number)
  for (const [file, text] of docblocks) {
    t.same(citedIn(text).filter(number => !numbers.includes(number)), [], file)
    t.equal(read(file).replace(/\n\s*(?:\*|\/\/) ?/g, ' ').match(/\brules? \d/g)?.length ?? 0, citedIn(text).length, file)
  }
})
