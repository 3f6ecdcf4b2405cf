import Fastify from 'fastify'
import { describe, expect, test } from 'tstyche'
import clover, {
  isCloverError, type Clover, type CloverOptions, type CloverStorage, type Installation, type InstallationSummary
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

  test('never see a secret in a summary', () => {
    expect<InstallationSummary>().type.not.toHaveProperty('accessToken')
    expect<InstallationSummary>().type.not.toHaveProperty('refreshToken')
    expect<Installation>().type.toHaveProperty('refreshToken')
  })
})

describe('options', () => {
  test('may come from the environment', () => {
    expect(Fastify().register).type.toBeCallableWith(clover, options)
  })

  test('that are wrong are refused', () => {
    const { register } = Fastify()
    expect(register).type.not.toBeCallableWith(clover, { ...options, environment: 'mars' as const })
    expect(register).type.not.toBeCallableWith(clover, { ...options, appSecret: true as const })
    expect(register).type.not.toBeCallableWith(clover, { ...options, flow: 'v3' as const })
    expect(register).type.not.toBeCallableWith(clover, { ...options, storage: {} })
    expect(register).type.not.toBeCallableWith(clover, { ...options, maxCalls: '8' })
    expect(register).type.not.toBeCallableWith(clover, { ...options, routes: { refresh: { guard: 'none' as const } } })
  })

  test('that are missing are refused', () => {
    expect<Omit<CloverOptions, 'storage'>>().type.not.toBeAssignableTo<CloverOptions>()
    expect<Omit<CloverOptions, 'environment'>>().type.not.toBeAssignableTo<CloverOptions>()
    expect<Omit<CloverOptions, 'appSecret'>>().type.not.toBeAssignableTo<CloverOptions>()
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
