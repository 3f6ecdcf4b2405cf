import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Io } from '../../src/cli/io.js'
import { createProbe } from '../../src/cli/probe.js'
import { realTiming, type ProbeTiming } from '../../src/cli/probe/timing.js'
import { realRuntime } from '../../src/runtime.js'
import { cloverSimulator, type CloverSimulator, type ProbeReport, type SimulatorOptions } from '../../src/testing/index.js'
import type { WholeReport } from '../../src/testing/simulator/probe-report.js'
import { until } from '../harness/waiting.js'
import { appId, Browser, lowId, merchantId } from '../testing/simulator-browser.js'

/*
 * The probe against the simulator: a person's browser goes where the probe sends it, and a person answers the questions.
 */

export const otherMerchantId = 'LARKSTREET001'

/** Milliseconds. */
const day = 86_400_000

/** A hundred times faster, but for what a person and a browser need. */
export const fast: ProbeTiming = {
  ...realTiming,
  sleep: (milliseconds, signal, options) => realRuntime.sleep(milliseconds / 100, signal, options),
  callTimeout: 10_000,
  patience: 25_000,
  lastPatience: 25_000,
  farewell: 100_000
}

/** A Clover whose merchants have what every experiment needs. */
export async function probedClover (t: Test, options: SimulatorOptions = {}): Promise<CloverSimulator> {
  const now = Date.now()
  const orders = [2, 100].map(days => ({ id: `ORDER00000${String(days).padStart(3, '0')}`, createdTime: now - days * day }))
  const clover = await cloverSimulator({
    merchants: [
      { id: merchantId, name: 'Fern and Filter', employees: [{ id: 'ROBINREYES001', name: 'Robin Reyes' }], orders },
      { id: otherMerchantId, name: 'Lark Street', employees: [{ id: 'ROBINREYES002', name: 'Robin Reyes' }] }
    ],
    ...options
  })
  t.teardown(() => clover.close())
  return clover
}

/** What a person does. */
export interface Person {
  /** The answers to questions, in lower case the whole question; undefined: stdin ends. Default: yes. */
  answer?: (question: string) => string | undefined | Promise<string | undefined>
  /** Presses Deny at the first question for approval. */
  deniesFirst?: boolean
  /** Opens the app from Clover's dashboard. */
  launches?: boolean
  /** Does not open the probe's address. */
  staysAway?: boolean
  /** Changes an address before the browser opens it; undefined: the person closes the browser. */
  edit?: (url: string) => string | undefined
  /** Sees a page of the probe. */
  sees?: (html: string) => void
}

export interface Probing {
  lowTrust?: boolean
  args?: string[]
  env?: Record<string, string>
  timing?: Partial<ProbeTiming>
  io?: Partial<Io>
  person?: Person
  /** Called with everything that is printed. */
  onPrint?: (text: string) => void
}

export interface Probed {
  code: number
  out: string
  err: string
  report: Omit<ProbeReport, 'facts' | 'experiments'> & Pick<WholeReport, 'facts' | 'experiments'>
  /** A fact by its name. */
  fact: (name: string) => unknown
  /** The outcome of an experiment, and its reason. */
  outcome: (name: string) => string
  /** The last page that the browser saw. */
  page: string
}

/** Runs the probe, with a person at a terminal unless `io` says otherwise. */
export async function probe (t: Test, clover: CloverSimulator, { lowTrust = false, args = [], env = {}, timing, io, person = {}, onPrint }: Probing = {}): Promise<Probed> {
  const app = clover.apps[lowTrust ? 1 : 0]
  const file = join(t.testdir({}), 'report.json')
  const printed = { out: '', err: '' }
  const questions = new Questions(person.answer ?? (() => 'y'))
  let page: Promise<string> | undefined
  const write = (stream: 'out' | 'err') => (text: string) => {
    printed[stream] += text
    onPrint?.(text)
    questions.see(text)
    const address = /Open (https?:\S+)|"address":"([^"]+)"/.exec(text)
    const url = address?.[1] ?? address?.[2]
    if (url !== undefined) page ??= visit(clover, app?.id ?? '', url, person)
  }
  const code = await createProbe({ ...fast, ...timing }).run(['--origin', clover.origin, '--port', '0', '--out', file, ...args], {
    stdout: { write: write('out') },
    stderr: { write: write('err') },
    stdin: questions.lines(),
    isTerminal: true,
    env: { NO_COLOR: '1', CLOVER_APP_ID: lowTrust ? lowId : appId, ...(app?.secret && { CLOVER_APP_SECRET: app.secret }), ...env },
    signal: new AbortController().signal,
    ...io
  })
  const report: Probed['report'] = JSON.parse(await readFile(file, 'utf8'))
  return {
    code,
    ...printed,
    report,
    fact: name => report.facts.find(fact => fact.name === name)?.value,
    outcome: name => {
      const found = report.experiments.find(experiment => experiment.name === name)
      return [found?.outcome, found?.reason].filter(Boolean).join(': ')
    },
    page: await page ?? ''
  }
}

/** Answers what is asked on stderr, when it is asked. */
class Questions {
  readonly #answer: NonNullable<Person['answer']>
  readonly #asked: string[] = []
  #text = ''

  constructor (answer: NonNullable<Person['answer']>) {
    this.#answer = answer
  }

  see (text: string): void {
    this.#text += text
    if (!this.#text.endsWith('[y/N] ')) return
    this.#asked.push(this.#text)
    this.#text = ''
  }

  async * lines (): AsyncGenerator<string> {
    for (;;) {
      await until(() => this.#asked.length > 0)
      const answer = await this.#answer(String(this.#asked.shift()).toLowerCase())
      if (answer === undefined) return
      yield `${answer}\n`
    }
  }
}

/** A browser that does what the pages say. Resolves with the last page; empty: the person closed it. */
async function visit (clover: CloverSimulator, app: string, address: string, { deniesFirst = false, launches = false, staysAway = false, edit = url => url, sees }: Person): Promise<string> {
  if (staysAway) return ''
  const browser = new Browser(clover)
  let mustDeny = deniesFirst
  if (launches) clover.setLaunchUrl(app, address)
  let url = launches ? `${clover.origin}/dashboard/open?app_id=${app}&merchant_id=${merchantId}` : address
  for (;;) {
    const edited = edit(url)
    if (edited === undefined) return ''
    url = edited
    if (!url.startsWith(clover.origin)) {
      const response = await fetch(url, { redirect: 'manual' }).catch(() => undefined)
      if (response === undefined) return ''
      const text = await response.text()
      sees?.(text)
      const to = response.headers.get('location') ?? / content="0; url=([^"]+)"/.exec(text)?.[1]
      if (to === undefined) return text
      url = new URL(to, url).href
      continue
    }
    await browser.open(url)
    while (browser.url.startsWith(clover.origin) && browser.status === 200) {
      if (browser.text.includes('asks for access')) {
        await browser.press(mustDeny ? 'Deny' : 'Approve')
        mustDeny = false
      } else if (browser.text.includes('Choose a business')) await browser.follow('Fern')
      else await browser.press('Robin Reyes')
    }
    // Clover shows an error: the person opens the probe's address again.
    url = browser.url.startsWith(clover.origin) ? address : browser.url
  }
}
