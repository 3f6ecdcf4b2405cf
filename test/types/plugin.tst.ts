import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { Type, type Static } from '@sinclair/typebox'
import Fastify, { type FastifyRequest } from 'fastify'
import { describe, expect, test } from 'tstyche'
import clover, {
  diagnosticsChannels, diagnosticsSchemas, isCloverError, type Clover, type CloverEvent, type CloverOptions, type CloverRoutes, type CloverStorage, type DiagnosticsEvent, type DiagnosticsEventType, type Finding, type Installation,
  type InstallationSummary, type KeepAliveSummary, type MerchantHook, type MigrationOutcome
} from '../../src/index.js'
import { memoryStorage } from '../../src/storage/index.js'

const options: CloverOptions = {
  environment: 'sandbox',
  appId: process.env.CLOVER_APP_ID,
  appSecret: process.env.CLOVER_APP_SECRET,
  storage: memoryStorage(),
  cookieSecret: process.env.COOKIE_SECRET,
  baseUrl: 'https://shop.example'
}

declare const queue: { add (event: CloverEvent): Promise<void> }

describe('hosts', () => {
  test('see the decorators on requests and on the server', () => {
    const app = Fastify()
    expect(app.clover).type.toBe<Clover>()
    app.get('/', async request => {
      expect(request.clover).type.toBe<Clover>()
      expect(request.clover.accessToken('x')).type.toBe<Promise<string>>()
      expect(request.clover.installation('x')).type.toBe<Promise<InstallationSummary | undefined>>()
      expect(request.clover.disconnect('x')).type.toBe<Promise<boolean>>()
    })
  })

  test('let merchants pass alone, and find the id', () => {
    const app = Fastify()
    const preHandler = app.clover.requireMerchant(request => {
      expect(request).type.toBe<FastifyRequest>()
      return request.headers['x-visitor'] === 'me' ? 'MERCHANT0000A' : undefined
    })
    expect(preHandler).type.toBe<MerchantHook>()
    app.get('/', { preHandler }, request => { expect(request.cloverMerchantId).type.toBe<string>() })
    app.get<{ Querystring: { page: number } }>('/pages', { preHandler: [preHandler] }, request => request.query.page)
    app.withTypeProvider<TypeBoxTypeProvider>().post('/typed', { preHandler, schema: { body: Type.Object({ name: Type.String() }) } }, request => request.body.name)
    app.addHook('preHandler', preHandler)
    expect(app.clover.requireMerchant).type.toBeCallableWith(async () => null)
    expect(app.clover.requireMerchant).type.not.toBeCallableWith(() => 7)
    expect(app.clover.requireMerchant).type.not.toBeCallableWith('MERCHANT0000A')
    expect(app.clover.requireMerchant).type.not.toBeCallableWith()
  })

  test('call Clover\'s API', () => {
    const { clover } = Fastify()
    expect(clover.fetch).type.toBeCallableWith('x', '/v3/merchants/{mId}/orders')
    expect(clover.fetch).type.toBeCallableWith('x', new URL('https://api.clover.com/v3'), { method: 'POST', body: 'x', signal: AbortSignal.timeout(1) })
    expect(clover.fetch).type.toBeCallableWith('x', '/v3', new Request('https://api.clover.com/v3'))
    expect(clover.fetch).type.not.toBeCallableWith('x', '/v3', { redirect: 'follow' as const })
    expect(clover.fetch).type.not.toBeCallableWith('x')
    expect(clover.fetch('x', '/v3')).type.toBe<Promise<Response>>()
    expect(clover.paginate('x', '/v3')).type.toBe<AsyncIterableIterator<Record<string, unknown>>>()
    expect(clover.paginate<{ id: string }>('x', '/v3', { limit: 10 })).type.toBe<AsyncIterableIterator<{ id: string }>>()
    expect(clover.paginate).type.toBeCallableWith('x', '/v3', { since: new Date(), until: 1_800_000_000_000, timeField: 'modifiedTime' })
    expect(clover.paginate).type.not.toBeCallableWith('x', '/v3', { offset: 10 })
    expect(clover.paginate).type.not.toBeCallableWith('x', '/v3', { since: '2026-01-01' })
    expect(clover.ecommercePublicKey('x', { renew: true })).type.toBe<Promise<string>>()
  })

  test('diagnose a deployment', () => {
    const { clover } = Fastify()
    expect(clover.diagnose()).type.toBe<AsyncIterableIterator<Finding>>()
    expect(clover.diagnose).type.toBeCallableWith({ merchantId: 'x', signal: AbortSignal.timeout(1) })
    expect(clover.diagnose).type.not.toBeCallableWith('x')
    expect<Finding['status']>().type.toBe<'ok' | 'warning' | 'error' | 'not-checked'>()
  })

  test('never see a secret in a summary', () => {
    expect<InstallationSummary>().type.not.toHaveProperty('accessToken')
    expect<InstallationSummary>().type.not.toHaveProperty('refreshToken')
    expect<InstallationSummary>().type.not.toHaveProperty('ecommercePublicKey')
    expect<Installation>().type.toHaveProperty('refreshToken')
  })
})

describe('long work', () => {
  const { clover } = Fastify()

  test('of keepAlive is one pass with a summary', () => {
    expect(clover.keepAlive()).type.toBe<Promise<KeepAliveSummary>>()
    expect(clover.keepAlive({ within: 1 })).type.toBe<Promise<KeepAliveSummary>>()
    expect(clover.keepAlive).type.not.toBeCallableWith({ every: 3600 })
    expect(clover.keepAlive).type.not.toBeCallableWith({ within: '30d' })
    expect(clover.keepAlive).type.not.toBeCallableWith({ evry: 3600 })
  })

  test('of migrateLegacy takes any iterable, and its outcomes are told apart', () => {
    expect(clover.migrateLegacy([{ merchantId: 'x' }])).type.toBe<AsyncGenerator<MigrationOutcome, void, undefined>>()
    expect(clover.migrateLegacy).type.toBeCallableWith(new Set([{ merchantId: 'x', legacyToken: 'y', more: 1 }]), { rate: 1 })
    expect(clover.migrateLegacy).type.toBeCallableWith(clover.installations())
    expect(clover.migrateLegacy).type.not.toBeCallableWith('text')
    expect(clover.migrateLegacy).type.not.toBeCallableWith([{ legacyToken: 'y' }])
    const outcome = {} as MigrationOutcome
    if (outcome.outcome === 'failed') expect(outcome.reason).type.toBe<string>()
    if (outcome.outcome === 'migrated') expect(outcome).type.not.toHaveProperty('reason')
    expect(outcome).type.not.toHaveProperty('legacyToken')
  })
})

describe('options', () => {
  test('may come from the environment', () => {
    expect(Fastify().register).type.toBeCallableWith(clover, options)
  })

  test('of keep-alive are false, or all optional', () => {
    for (const keepAlive of [false, {}, { every: 600 }, { within: 1, rate: 1, concurrency: 1 }] as const) {
      expect(Fastify().register).type.toBeCallableWith(clover, { ...options, keepAlive })
    }
  })

  test('of a deployment are its name, or its name and the one that it takes over', () => {
    expect<'staging'>().type.toBeAssignableTo<CloverOptions['deployment']>()
    expect<{ name: string, takeOver: string, until: string }>().type.toBeAssignableTo<CloverOptions['deployment']>()
    expect<{ name: string, takeOver: string }>().type.not.toBeAssignableTo<CloverOptions['deployment']>()
    expect<{ name: string }>().type.not.toBeAssignableTo<CloverOptions['deployment']>()
    expect<string[]>().type.not.toBeAssignableTo<CloverOptions['deployment']>()
    expect<InstallationSummary['deployment']>().type.toBe<string | undefined>()
  })

  test('that are wrong are refused', () => {
    const { register } = Fastify()
    expect(register).type.not.toBeCallableWith(clover, { ...options, environment: 'mars' as const })
    expect(register).type.not.toBeCallableWith(clover, { ...options, appSecret: true as const })
    expect(register).type.not.toBeCallableWith(clover, { ...options, flow: 'v3' as const })
    expect(register).type.not.toBeCallableWith(clover, { ...options, storage: {} })
    expect(register).type.not.toBeCallableWith(clover, { ...options, maxCalls: '8' })
    expect(register).type.not.toBeCallableWith(clover, { ...options, keepAlive: true as const })
    expect(register).type.not.toBeCallableWith(clover, { ...options, keepAlive: { every: '1h' } })
    expect(register).type.not.toBeCallableWith(clover, { ...options, routes: { refresh: { guard: 'none' as const } } })
  })

  test('that are missing are refused', () => {
    expect<Omit<CloverOptions, 'storage'>>().type.not.toBeAssignableTo<CloverOptions>()
    expect<Omit<CloverOptions, 'environment'>>().type.not.toBeAssignableTo<CloverOptions>()
    expect<Omit<CloverOptions, 'appSecret'>>().type.not.toBeAssignableTo<CloverOptions>()
  })

  test('of a webhook route name its shared value, which may be unknown yet', () => {
    expect<{ webhook: { auth: string | undefined } }>().type.toBeAssignableTo<CloverRoutes>()
    expect<{ webhook: { auth: readonly (string | undefined)[], path: string, onVerificationCode: (code: string) => void } }>().type.toBeAssignableTo<CloverRoutes>()
    // As in the guide to the routes.
    expect(Fastify().register).type.toBeCallableWith(clover, {
      ...options,
      routes: {
        webhook: {
          auth: process.env.CLOVER_WEBHOOK_AUTH,
          onVerificationCode: code => console.log(`Clover's verification code: ${code}`)
        }
      },
      onEvent: event => queue.add(event)
    } satisfies CloverOptions)
    expect<{ webhook: { auth: string, awaitEvents: boolean } }>().type.toBeAssignableTo<CloverRoutes>()
    expect<{ webhook: { auth: string, awaitEvents: 'all' } }>().type.not.toBeAssignableTo<CloverRoutes>()
    expect<{ webhook: false | undefined }>().type.toBeAssignableTo<CloverRoutes>()
    expect<{ webhook: string }>().type.not.toBeAssignableTo<CloverRoutes>()
    expect<{ webhook: { path: string } }>().type.not.toBeAssignableTo<CloverRoutes>()
  })

  test('tell an event\'s handler what happened', () => {
    const given: CloverOptions = { ...options, onEvent: event => { expect(event).type.toBe<CloverEvent>() } }
    expect(given).type.toBe<CloverOptions>()
    expect<'CREATE'>().type.toBeAssignableTo<CloverEvent['type']>()
    expect<CloverEvent['ts']>().type.toBe<number>()
  })

  test('of an environment can be overridden one by one, or given in full', () => {
    expect<{ base: 'europe', api: string }>().type.toBeAssignableTo<CloverOptions['environment']>()
    expect<{ name: string, authorize: string, api: string, legacy: string }>().type.toBeAssignableTo<CloverOptions['environment']>()
    expect<{ name: string, api: string }>().type.not.toBeAssignableTo<CloverOptions['environment']>()
  })
})

describe('a storage adapter', () => {
  test('may take null for absent, and leave out list', () => {
    expect<{
      get: (merchantId: string) => Promise<Installation | null>
      put: (next: Installation, expected: string | undefined) => Promise<boolean>
      delete: (merchantId: string, expected?: string) => Promise<boolean>
    }>().type.toBeAssignableTo<CloverStorage>()
  })

  test('must say whether it stored', () => {
    expect<{
      get: (merchantId: string) => Promise<Installation>
      put: (next: Installation) => Promise<void>
      delete: (merchantId: string) => Promise<boolean>
    }>().type.not.toBeAssignableTo<CloverStorage>()
  })
})

describe('errors', () => {
  test('are narrowed by their code', () => {
    const error: unknown = new Error('x')
    if (isCloverError(error, 'FST_CLOVER_REAUTHORIZATION_REQUIRED')) {
      expect(error.launchUrl).type.toBe<string | undefined>()
      expect(error.statusCode).type.toBe<number>()
    }
    expect(isCloverError).type.not.toBeCallableWith(error, 'FST_CLOVER_NOPE')
  })
})

describe('events', () => {
  test('have channels by name', () => {
    expect(diagnosticsChannels['refresh-failed']).type.toBe<'fastify-clover:refresh-failed'>()
    expect(diagnosticsChannels).type.not.toHaveProperty('refresh')
    expect<keyof typeof diagnosticsChannels>().type.toBe<DiagnosticsEventType>()
  })

  test('are narrowed by their type', () => {
    const event = {} as DiagnosticsEvent
    expect(event.appId).type.toBe<string>()
    if (event.type === 'refresh-failed') {
      expect(event.duration).type.toBe<number>()
      expect(event.reason).type.toBe<string>()
    }
    if (event.type === 'state-refused') expect(event.merchantId).type.toBe<string | undefined>()
    expect<DiagnosticsEvent<'connected'>['type']>().type.toBe<'connected'>()
    expect<DiagnosticsEvent<'connected'>['duration']>().type.toBe<number | undefined>()
    expect<DiagnosticsEvent<'connected' | 'refreshed'>['type']>().type.toBe<'connected' | 'refreshed'>()
  })

  test('have schemas, from which their types come', () => {
    expect<Static<typeof diagnosticsSchemas['merchant-mismatch']>>().type.toBe<DiagnosticsEvent<'merchant-mismatch'>>()
  })
})
