import Fastify from 'fastify'
import type { Test } from 'tap'
import { environments } from '../../src/environments.js'
import { resolveRoutes } from '../../src/options/resolve-routes.js'
import type { RouteContext } from '../../src/routes/context.js'
import { addRoutes } from '../../src/routes/index.js'
import { States } from '../../src/routes/state.js'
import { realRuntime } from '../../src/runtime.js'
import { Browser } from '../harness/browser.js'
import { cookieSecret } from '../harness/host.js'
import { Time } from '../harness/time.js'

/** A call of the callback to the connections. */
export interface ConnectCall {
  merchantId: string
  code: string
  verifier: string
  isFullRound: boolean
}

type Connect = RouteContext['connections']['connect']

export interface RoutesOptions extends Pick<RouteContext['hooks'], 'onConnect'> {
  /** The answer of the connections to a callback. */
  connect: (call: ConnectCall) => ReturnType<Connect>
  secret?: string
  time?: Time
}

/** The plugin's routes with connections that a test controls, and without Clover. */
export async function startRoutes (t: Test, { connect, secret = cookieSecret, time = new Time(), ...hooks }: RoutesOptions) {
  const calls: ConnectCall[] = []
  const refusals: string[] = []
  const app = Fastify()
  t.teardown(() => app.close())
  const environment = environments.sandbox
  const appId = 'SIMULATORAPP1'
  const unused = async () => { throw new Error('not for these tests') }
  const context: RouteContext = {
    app: { environment, appId, appSecret: false, flow: 'v2', implicit: false },
    states: new States({ secrets: [secret], appId, environment: 'sandbox', secure: true, wallClock: time.now, random: realRuntime.random }),
    connections: {
      connect: async (merchantId, { code, verifier }, isFullRound = false) => {
        const call = { merchantId, code, verifier, isFullRound }
        calls.push(call)
        return await connect(call)
      },
      connectWithToken: unused
    },
    disconnects: { disconnect: unused },
    accessTokens: { refresh: unused },
    hooks,
    redirectUri: 'https://shop.example/clover/callback',
    basePath: '',
    launchPath: '/clover/launch',
    appMarketUrl: undefined,
    onStateRefused: reason => { refusals.push(reason) },
    onWebhookRefused: () => {},
    onVerification: () => {},
    notifyHost: async () => true,
    sleep: realRuntime.sleep,
    summary: unused
  }
  app.register(async scope => { addRoutes(scope, resolveRoutes({ refresh: false }), context) })
  await app.ready()
  return { app, calls, refusals, time, states: context.states, browser: () => new Browser(app) }
}
