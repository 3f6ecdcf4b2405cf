import type { Experiment } from '../experiment.js'
import { NotHere, Unsettled } from '../outcome.js'
import type { Session } from '../session.js'

const merchantEndpoint = '/v3/merchants/{mId}'
const ordersEndpoint = '/v3/merchants/{mId}/orders'
const chargesEndpoint = '/v1/charges'
/** Milliseconds. */
const day = 86_400_000

type Row = Record<string, unknown>

/** @internal The status of another merchant's data, by which the plugin recognizes a wrong merchant id. */
export const foreignMerchant: Experiment = {
  name: 'foreign-merchant',
  settles: ['foreignMerchant'],
  learns: 'the status of another merchant\'s data; the probe only names that merchant',
  cannot: ({ settings: { otherMerchant } }) => otherMerchant === undefined ? 'give --other-merchant, the id of another merchant there' : undefined,
  async run (session) {
    const { settings: { otherMerchant = '' }, calls, findings, app } = session
    if (otherMerchant === session.merchant) throw new NotHere('--other-merchant is the merchant who authorized the app')
    const accessToken = await session.accessToken()
    const statusOf = async (id: string) => (await calls.get(merchantEndpoint, new URL(`/v3/merchants/${id}`, app.environment.api), accessToken)).status
    findings.fact('unknownMerchantStatus', await statusOf('ZZZZZZZZZZZZZ'))
    const status = await statusOf(otherMerchant)
    if (status !== 401 && status !== 404) throw new Unsettled(`${merchantEndpoint}: status ${status} for another merchant`)
    findings.settle('foreignMerchant', status)
  }
}

/** @internal What a query for orders of more than 90 days gets, which `paginate()` cuts into windows. */
export const longWindow: Experiment = {
  name: 'long-window',
  settles: ['longWindow'],
  learns: 'what a query for orders of more than 90 days gets',
  async run (session) {
    const { calls, findings, app } = session
    const accessToken = await session.accessToken()
    const now = session.now()
    const oldest = async (from: number, to: number) => {
      const url = new URL(`/v3/merchants/${session.merchant}/orders`, app.environment.api)
      url.search = new URLSearchParams([['filter', `createdTime>=${from}`], ['filter', `createdTime<=${to}`], ['orderBy', 'createdTime ASC'], ['limit', '1']]).toString()
      const { status, body } = await calls.get(ordersEndpoint, url, accessToken)
      return { status, created: rowsOf(body, 'elements')?.map(({ createdTime }) => Number(createdTime)) }
    }
    const control = await oldest(now - 170 * day, now - 91 * day)
    if (control.status === 401) throw new NotHere('the app needs the Read orders permission')
    if (control.created === undefined) throw new Unsettled(`${ordersEndpoint}: status ${control.status}`)
    const long = await oldest(now - 170 * day, now)
    if (long.status === 400) return findings.settle('longWindow', 'refused')
    if (long.created === undefined) throw new Unsettled(`${ordersEndpoint}: status ${long.status} for a long window`)
    if (control.created.length === 0) throw new NotHere('the merchant has no order that is 91 to 170 days old')
    const isWhole = Number(long.created[0]) < now - 90.5 * day
    if (isWhole) throw new Unsettled('Clover serves a long window whole, for which the simulator has no setting')
    findings.settle('longWindow', 'cut')
  }
}

/** @internal Whether a page of the ecommerce API begins with the element of `starting_after`, or after it. */
export const startingAfter: Experiment = {
  name: 'starting-after',
  settles: ['startingAfter'],
  learns: 'whether a page of the ecommerce API begins with the element of starting_after',
  cannot: ({ app: { environment } }) => environment.ecommerce === undefined ? 'the environment has no ecommerce API' : undefined,
  async run (session) {
    const accessToken = await session.accessToken()
    const [first, second] = await charges(session, accessToken, { limit: '2' })
    if (first === undefined || second === undefined) throw new NotHere('the merchant has less than two charges')
    const [next] = await charges(session, accessToken, { limit: '1', starting_after: first })
    if (next !== first && next !== second) throw new Unsettled(`${chargesEndpoint}: the page begins with neither`)
    session.findings.settle('startingAfter', next === first ? 'inclusive' : 'exclusive')
  }
}

/** The ids of a page of charges. */
async function charges ({ calls, app: { environment } }: Session, accessToken: string, query: Record<string, string>): Promise<string[]> {
  const url = new URL(chargesEndpoint, environment.ecommerce)
  url.search = new URLSearchParams(query).toString()
  const { status, body } = await calls.get(chargesEndpoint, url, accessToken)
  if (status === 401 || status === 403) throw new NotHere('the app may not read charges')
  const rows = rowsOf(body, 'data')
  if (status !== 200 || rows === undefined) throw new Unsettled(`${chargesEndpoint}: status ${status}`)
  return rows.map(({ id }) => String(id))
}

/** The rows of a page; undefined if it has none. */
function rowsOf (body: unknown, name: 'elements' | 'data'): Row[] | undefined {
  const rows = typeof body === 'object' && body !== null ? (body as Row)[name] : undefined
  return Array.isArray(rows) ? rows as Row[] : undefined
}
