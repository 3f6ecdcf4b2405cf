import t from 'tap'
import type { Io } from '../../src/cli/io.js'
import { printFindings } from '../../src/cli/print-findings.js'
import type { Finding } from '../../src/operations/finding.js'

const good: Finding = { check: 'clock', status: 'ok', message: 'It agrees.' }
const bad: Finding = { check: 'launch-cookie', status: 'error', message: 'It has no Secure.', fix: 'Mend the proxy.', link: 'README.md#security' }
const odd: Finding = { check: 'keep-alive', status: 'warning', message: 'It is off.', link: 'README.md#options' }
const unseen: Finding = { check: 'webhook', status: 'not-checked', message: 'It is off.', fix: 'Look.', link: 'README.md#routes' }

async function print (findings: Finding[], io: Partial<Io> = {}, options?: { json?: boolean }): Promise<{ code: number, text: string }> {
  let text = ''
  async function * iterate () { yield * findings }
  const code = await printFindings(iterate(), { stdout: { write: part => { text += part } }, isTerminal: false, env: {}, ...io }, options)
  return { code, text }
}

t.test('a table with what to do, and a summary', async t => {
  const { text } = await print([good, bad, odd, unseen])
  t.equal(text, [
    'ok           clock                  It agrees.',
    'error        launch-cookie          It has no Secure.',
    '                                    Mend the proxy.',
    '                                    See README.md#security',
    'warning      keep-alive             It is off.',
    '                                    See README.md#options',
    'not-checked  webhook                It is off.',
    '                                    Look.',
    '',
    '1 error, 1 warning, 1 ok, 1 not checked',
    ''
  ].join('\n'))
})

t.test('the exit code is 1 if a finding is an error, and only then', async t => {
  t.equal((await print([good, odd, unseen])).code, 0)
  t.equal((await print([good, bad, unseen])).code, 1)
  t.equal((await print([])).code, 0)
  t.equal((await print([bad], {}, { json: true })).code, 1)
})

t.test('one JSON object a line, without colours and without a summary', async t => {
  const { text } = await print([good, bad], { isTerminal: true }, { json: true })
  t.same(text.trimEnd().split('\n').map(line => JSON.parse(line) as unknown), [good, bad])
})

t.test('colours are for terminals, and never with NO_COLOR', async t => {
  t.match((await print([bad], { isTerminal: true })).text, '\u001b[31merror      \u001b[39m  launch-cookie')
  t.match((await print([good], { isTerminal: true, env: { NO_COLOR: '' } })).text, '\u001b[32mok')
  for (const io of [{ isTerminal: false }, { isTerminal: true, env: { NO_COLOR: '1' } }]) t.notMatch((await print([good, bad, odd, unseen], io)).text, '\u001b')
})

t.test('a finding is printed as soon as it comes', async t => {
  const written: string[] = []
  async function * iterate () {
    yield good
    t.equal(written.length, 1)
    yield bad
  }
  await printFindings(iterate(), { stdout: { write: text => { written.push(text) } }, isTerminal: true, env: {} })
  t.equal(written.length, 3)
})

t.test('what came from a network does not control the terminal', async t => {
  const { text } = await print([{ ...bad, message: 'a \u001b[2Jb\r\nc\u202e' }], { isTerminal: true, env: { NO_COLOR: '1' } })
  t.match(text, 'a  [2Jb c \n')
  const message = 'a\u009b2J\u007fb'
  const json = await print([{ ...bad, message }], {}, { json: true })
  t.match(json.text, '"a\\u009b2J\\u007fb"')
  t.match(JSON.parse(json.text), { message })
})

t.test('an error of the findings is passed on', async t => {
  async function * iterate (): AsyncGenerator<Finding> {
    yield good
    throw new Error('enough')
  }
  await t.rejects(printFindings(iterate(), { stdout: { write: () => {} }, isTerminal: false, env: {} }), { message: 'enough' })
})
