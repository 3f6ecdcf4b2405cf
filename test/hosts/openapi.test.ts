import swagger from '@fastify/swagger'
import Fastify from 'fastify'
import { jsonSchemaTransform, serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import t, { type Test } from 'tap'
import type { CloverRoutes } from '../../src/options/options.js'
import { fastifyClover, routeSchemas } from '../../src/index.js'
import { memoryStorage } from '../../src/storage/index.js'

interface Operation {
  summary?: string
  description?: string
  tags?: string[]
  deprecated?: boolean
  operationId?: string
  security?: unknown[]
  parameters?: Array<{ name: string, in: string, required: boolean, description?: string, schema: object }>
  requestBody?: { required?: boolean, content: Record<string, { schema: { properties: object, required?: string[] } }> }
  responses: Record<string, { description: string, content?: Record<string, { schema: { type?: string, properties?: object } }> }>
}
interface Document { openapi: string, paths: Record<string, Record<string, Operation>> }

const securitySchemes = { cookie: { type: 'apiKey', in: 'cookie', name: 'session' }, operator: { type: 'http', scheme: 'bearer' } } as const
const guard = { onRequest: async () => {} }

async function document (t: Test, routes: CloverRoutes = { refresh: guard }, options: object = {}, prepare?: (app: ReturnType<typeof Fastify>) => void): Promise<Document> {
  const app = Fastify()
  t.teardown(() => app.close())
  prepare?.(app)
  await app.register(swagger, { openapi: { openapi: '3.0.3', info: { title: 'A host', version: '1' }, components: { securitySchemes } }, ...options })
  await app.register(fastifyClover, {
    environment: 'sandbox', appId: 'CANARYAPPID00', appSecret: 'canary-app-secret', storage: memoryStorage(), cookieSecret: 'canary-cookie-secret-0123456789abcdef', baseUrl: 'https://canary.example', routes
  })
  await app.ready()
  // As it is sent: JSON.
  return JSON.parse(JSON.stringify(app.swagger())) as Document
}

t.test('the post of the implicit flow is in the document where the option is on: a form', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(swagger, { openapi: { info: { title: 'A host', version: '1' } } })
  await app.register(fastifyClover, {
    environment: 'sandbox', appId: 'CANARYAPPID00', appSecret: false, flow: 'v1', dangerouslyUseImplicitFlow: true, storage: memoryStorage(), cookieSecret: 'x'.repeat(32), baseUrl: 'https://canary.example', routes: { refresh: false }
  })
  await app.ready()
  const { paths } = JSON.parse(JSON.stringify(app.swagger())) as Document
  t.same(Object.entries(paths).map(([path, methods]) => [path, Object.keys(methods)]), [['/clover/launch', ['get']], ['/clover/callback', ['get', 'post']]])
  const { content = {} } = paths['/clover/callback']?.post?.requestBody ?? {}
  t.same(Object.keys(content), ['application/x-www-form-urlencoded'])
  t.same(Object.keys(content['application/x-www-form-urlencoded']?.schema.properties ?? {}), ['access_token', 'state', 'merchant_id', 'client_id', 'employee_id', 'error'])
})

t.test('the three routes are in the document: summaries, tags, query, body and replies', async t => {
  const { paths } = await document(t)
  t.same(Object.keys(paths), ['/clover/launch', '/clover/callback', '/clover/refresh'], 'no twin with a slash, no other methods')
  t.same(Object.values(paths).map(path => Object.keys(path)), [['get'], ['get'], ['post']])
  for (const [path, name] of [['/clover/launch', 'launch'], ['/clover/callback', 'callback'], ['/clover/refresh', 'refresh']] as const) {
    const operation = paths[path]?.[name === 'refresh' ? 'post' : 'get']
    t.equal(operation?.summary, routeSchemas[name].summary)
    t.equal(operation?.description, routeSchemas[name].description)
    t.same(operation?.tags, ['clover'])
  }
  const names = (path: string) => paths[path]?.get?.parameters?.map(({ name, in: where, required, description }) => [name, where, required, typeof description])
  const query = (...fields: string[]) => fields.map(field => [field, 'query', false, 'string'])
  t.same(names('/clover/launch'), query('merchant_id', 'merchantId', 'employee_id', 'client_id', 'code', 'return_to'))
  t.same(names('/clover/callback'), query('code', 'state', 'merchant_id', 'client_id', 'employee_id', 'error', 'error_description'))
  const refresh = paths['/clover/refresh']?.post
  t.same(Object.keys(refresh?.requestBody?.content ?? {}), ['application/json'])
  t.same(refresh?.requestBody?.content['application/json']?.schema.required, ['merchant_id'])
  t.same(Object.keys(refresh?.responses ?? {}), ['200', '4XX', '5XX'])
  t.same(Object.keys(refresh?.responses['200']?.content?.['application/json']?.schema.properties ?? {}), ['merchant_id', 'access_token_expiration', 'refresh_token_expiration'])
  t.same(Object.keys(paths['/clover/launch']?.get?.responses ?? {}), ['200', '302', '4XX', '5XX'])
  t.same(Object.keys(paths['/clover/launch']?.get?.responses['200']?.content ?? {}), ['text/html'], 'the page in a frame is HTML')
  t.same(Object.keys(paths['/clover/callback']?.get?.responses ?? {}), ['302', '4XX', '5XX'])
})

t.test('the document is OpenAPI: plain JSON with what each part must have', async t => {
  const { openapi, paths } = await document(t)
  t.match(openapi, /^3\./)
  for (const operation of Object.values(paths).flatMap(path => Object.values(path))) {
    for (const parameter of operation.parameters ?? []) t.match(parameter, { name: String, in: 'query', schema: { type: 'string' } })
    for (const [status, response] of Object.entries(operation.responses)) {
      t.match(status, /^(?:[1-5]\d\d|[1-5]XX|default)$/)
      t.type(response.description, 'string')
      t.ok(response.description !== '' && response.description !== 'Default Response', `${status} says what it is`)
      for (const { schema } of Object.values(response.content ?? {})) t.ok(schema.type, `${status} has a schema`)
    }
    t.same(operation.responses['302']?.content, undefined)
  }
  t.notMatch(JSON.stringify(paths), /"\$id"|"\$ref":"(?!#)|\[Symbol/)
})

t.test('the document tells no secret (security 33)', async t => {
  t.notMatch(JSON.stringify(await document(t)), /canary/i)
})

t.test('what the host says of a route stands in the document, and a hidden route does not', async t => {
  const { paths } = await document(t, {
    launch: { path: '/open', schema: { tags: ['Shops'], summary: 'Open', description: 'Opens it', operationId: 'openShop', deprecated: true, security: [{ cookie: [] }] } },
    callback: { schema: { hide: true } },
    refresh: { ...guard, schema: { tags: ['Operators'], security: [{ operator: [] }] } }
  })
  t.same(Object.keys(paths), ['/open', '/clover/refresh'])
  t.match(paths['/open']?.get, { tags: ['Shops'], summary: 'Open', description: 'Opens it', operationId: 'openShop', deprecated: true, security: [{ cookie: [] }] })
  t.equal(paths['/open']?.get?.parameters?.length, 6)
  t.match(paths['/clover/refresh']?.post, { tags: ['Operators'], summary: routeSchemas.refresh.summary, security: [{ operator: [] }] })
})

t.test('routes that are off are not in the document', async t => {
  t.same(Object.keys((await document(t, { launch: false, refresh: false })).paths), ['/clover/callback'])
})

t.test('the webhook route is in the document where it is on: its header, both bodies, and no secret (security 33)', async t => {
  const doc = await document(t, { refresh: guard, webhook: { auth: 'canary-0307e264-b33a-4913', onVerificationCode: () => {}, schema: { tags: ['Events'] } } })
  t.same(Object.keys(doc.paths), ['/clover/launch', '/clover/callback', '/clover/refresh', '/clover/webhook'])
  const operation = doc.paths['/clover/webhook']?.post
  t.match(operation, { summary: routeSchemas.webhook.summary, description: routeSchemas.webhook.description, tags: ['Events'] })
  t.same(operation?.parameters?.map(({ name, in: where, required }) => [name, where, required]), [['x-clover-auth', 'header', false]])
  t.same(Object.keys(operation?.responses ?? {}), ['200', '4XX', '5XX'])
  t.match(operation?.requestBody?.content['application/json']?.schema, {
    anyOf: [
      { type: 'object', required: ['verificationCode'] },
      { type: 'object', required: ['appId', 'merchants'], properties: { merchants: { type: 'object' } } }
    ]
  })
  t.notMatch(JSON.stringify(doc), /canary/i)
  t.notMatch(JSON.stringify(doc.paths), /"\$id"|"\$ref":"(?!#)|\[Symbol/)
  const zod = await document(t, { refresh: guard, webhook: { auth: undefined } }, { transform: jsonSchemaTransform }, app => { app.setValidatorCompiler(validatorCompiler).setSerializerCompiler(serializerCompiler) })
  t.ok(zod.paths['/clover/webhook'])
})

t.test('a host whose document is made from Zod has the plugin\'s routes as they are', async t => {
  const plain = await document(t)
  const zod = await document(t, undefined, { transform: jsonSchemaTransform }, app => { app.setValidatorCompiler(validatorCompiler).setSerializerCompiler(serializerCompiler) })
  t.same(zod.paths, plain.paths)
})

t.test('Swagger 2 and OpenAPI 3.1 documents have the routes too', async t => {
  for (const options of [{ openapi: { openapi: '3.1.0', info: { title: 'A host', version: '1' } } }, { openapi: undefined, swagger: { info: { title: 'A host', version: '1' } } }]) {
    t.same(Object.keys((await document(t, undefined, options)).paths), ['/clover/launch', '/clover/callback', '/clover/refresh'])
  }
})
