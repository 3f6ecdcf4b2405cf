import { authorizePages } from '../authorize-pages.js'
import type { Experiment } from '../experiment.js'
import { NotHere, Unsettled } from '../outcome.js'
import type { Arrival } from '../probe-server.js'
import type { Session } from '../session.js'

/** How often an authorization is begun, if Clover gives no usable answer. */
const attempts = 3

/** Milliseconds between two. */
const betweenAttempts = 2_000

/** @internal The first authorization, on which all others stand. It always runs. */
export const authorization: Experiment = {
  name: 'authorization',
  settles: ['echoState', 'httpLocalhost'],
  learns: 'the parameters of the callback, whether the state comes back, whether a redirect URI may be http on localhost',
  async run (session) {
    if (isLoopback(session) && await refusesLoopback(session).catch(() => false)) {
      session.findings.settle('httpLocalhost', false)
      throw new Unsettled('Clover refuses http://localhost as redirect URI: give the https address of a tunnel to the port with --base-url')
    }
    await authorize(session)
  }
}

/** @internal Authorizes in full until a new access token works, three times at most. The pair is kept. */
export async function authorize (session: Session, left = attempts): Promise<void> {
  const { arrival, verifier } = await session.visit()
  try {
    await connect(session, arrival, verifier)
  } catch (error) {
    if (!(error instanceof Unsettled) || left === 1) throw error
    await session.pause(betweenAttempts)
    await authorize(session, left - 1)
  }
}

async function connect (session: Session, arrival: Arrival, verifier: string): Promise<void> {
  const { server, findings } = session
  const reply = await session.exchange({ code: session.accept(arrival), verifier })
  if (!reply.ok) throw new Unsettled(`/oauth/v2/token: refused with status ${reply.status}; check CLOVER_APP_ID and CLOVER_APP_SECRET, which only an app of low trust leaves out`)
  findings.fact('callbackParameters', Object.keys(arrival.query).sort().join(' '))
  // Not before: a code without a state may be one of v1, which Clover's dashboard sends to the Site URL.
  findings.settle('echoState', server.echoesState === true)
  if (isLoopback(session)) findings.settle('httpLocalhost', true)
  if (!await session.works(reply.value.accessToken)) {
    throw new Unsettled('/v3/merchants/{mId}: a new access token is refused; the app needs the Read merchant permission, and the merchant must install it again after it got that')
  }
  session.decideMerchant()
  session.keep(reply.value)
}

/** @internal Whether a redirect URI may be http on localhost, where the first authorization did not come back to such a URI. */
export const httpLocalhost: Experiment = {
  name: 'http-localhost',
  settles: ['httpLocalhost'],
  learns: 'the same, if --base-url is given',
  cannot: session => isLoopback(session) ? 'the authorization has settled it' : undefined,
  async run (session) {
    if (!await refusesLoopback(session)) throw new NotHere('Clover does not say so without a log-in: run the probe without --base-url')
    session.findings.settle('httpLocalhost', false)
  }
}

function isLoopback ({ server }: Session): boolean {
  return server.redirectUri.startsWith('http:')
}

/** Whether Clover's page refuses a redirect URI for nothing but its http. */
async function refusesLoopback (session: Session): Promise<boolean> {
  const { port } = new URL(session.server.local)
  const at = (scheme: string) => ({ redirect_uri: `${scheme}://localhost:${port}/callback` })
  return await authorizePages(session).refuses(at('http'), at('https'))
}

/** @internal The parameters with which Clover's dashboard opens an app. */
export const launch: Experiment = {
  name: 'launch',
  settles: ['launchParameter'],
  learns: 'the parameters with which Clover\'s dashboard opens an app',
  async run ({ server, findings }) {
    if (server.launch === undefined) throw new NotHere(`open the app from the merchant's dashboard, with ${server.address} as its Alternate Launch Path, instead of the probe's address`)
    findings.fact('launchParameters', [...server.launch].sort().join(' '))
    const both = server.launch.includes('merchant_id') && server.launch.includes('merchantId')
    if (both) throw new NotHere('it has both merchant_id and merchantId')
    findings.settle('launchParameter', server.launch.includes('merchant_id') ? 'merchant_id' : 'merchantId')
  }
}
