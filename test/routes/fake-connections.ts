import Fastify from 'fastify'
import type { Test } from 'tap'
import { environments } from '../../src/environments.js'
import { resolveRoutes } from '../../src/resolve-routes.js'
import type { RouteContext } from '../../src/routes/context.js'
import { addRoutes } from '../../src/routes/index.js'
import { States } from '../../src/routes/state.js'
import { realRuntime } from '../../src/tokens/runtime.js'
import { Browser } from '../helpers/browser.js'
import { cookieSecret, Time } from '../helpers/host.js'

/** What a callback asked of the tokens' side. */
export interface ConnectCall {
  merchantId: string
  code: string
  verifier: string
  isFullRound: boolean
}

type Connect = RouteContext['connections']['connect']

export interface RoutesOptions extends Pick<RouteContext['hooks'], 'onConnect'> {
  /** What the tokens' side answers to a callback. */
  connect: (call: ConnectCall) => ReturnType<Connect>
  secret?: string
  time?: Time
}

/** The plugin's routes with a tokens' side that does what a test says, and no Clover. */
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
    states: new States({ secrets: [secret], appId, environment: 'sandbox', secure: true, now: time.now, random: realRuntime.random }),
    connections: {
      connect: async (merchantId, { code, verifier }, isFullRound = false) => {
        const call = { merchantId, code, verifier, isFullRound }
        calls.push(call)
        return await connect(call)
      },
      connectWithToken: unused
    },
    disconnects: { disconnect: unused },
    keeper: { refresh: unused },
    hooks,
    redirectUri: 'https://shop.example/clover/callback',
    basePath: '',
    launchPath: '/clover/launch',
    appMarketUrl: undefined,
    onStateRefused: reason => { refusals.push(reason) },
    onWebhookRefused: () => {},
    onVerification: () => {},
    tell: () => {}
  }
  app.register(async scope => { addRoutes(scope, resolveRoutes({ refresh: false }), context) })
  await app.ready()
  return { app, calls, refusals, time, states: context.states, browser: () => new Browser(app) }
}
