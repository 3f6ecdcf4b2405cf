import { randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Test } from 'tap'
import type { DiagnoseOptions } from '../../src/operations/diagnose.js'
import type { Finding } from '../../src/operations/finding.js'
import type { CloverOptions, CloverRoutes } from '../../src/options/options.js'
import { merchantA, startHost, type Host, type HostOptions } from '../harness/host.js'
import { freePort } from '../harness/ports.js'
import { authOf } from '../harness/webhook.js'
import { adoptable } from '../harness/pairs.js'
import { startProxy, trustingFetch, type Manners, type ReverseProxy } from './reverse-proxy.js'

/** The guard's password: a canary. */
export const operatorToken = 'canary-operator-token-4f1c9a'

/** A guard that lets only the operator through. */
export const guard = async (request: FastifyRequest, reply: FastifyReply) => {
  if (request.headers.authorization !== `Bearer ${operatorToken}`) return reply.code(401).send({ message: 'not from here' })
}

export interface DoctorHostOptions extends Omit<HostOptions, 'options' | 'listens'> {
  options?: Partial<CloverOptions> | ((host: { clover: Host['clover'], baseUrl: string }) => Partial<CloverOptions>)
  routes?: CloverRoutes
  /** A reverse proxy in front of the app. Default: none; `baseUrl` leads to the app itself. */
  proxy?: Manners
  /** The path of `baseUrl`. Default: none. */
  path?: string
  /** `false`: nothing listens. Default: `true`. */
  listens?: boolean
}

export interface DoctorHost extends Host {
  baseUrl: string
  /** Without `proxy`, one that nothing passes. */
  proxy: ReverseProxy
  /** All findings, by their check. Fails the test if a check has two. */
  diagnose: (options?: DiagnoseOptions) => Promise<Record<string, Finding>>
  /** Connects a merchant whom the simulator knows. */
  connect: (merchantId?: string) => Promise<void>
}

/** Starts a host in which everything is as it should be, unless the options plant a fault. Its public address is the proxy's, if there is one. */
export async function startDoctorHost (t: Test, { options, routes, proxy: manners, path = '', listens = true, ...more }: DoctorHostOptions = {}): Promise<DoctorHost> {
  const proxy = await startProxy(t, manners)
  const port = manners ? proxy.port : await freePort()
  const baseUrl = `${manners?.tls ? 'https' : 'http'}://127.0.0.1:${port}${path}`
  const scopes: FastifyInstance[] = []
  const host = await startHost(t, {
    ...more,
    before: async app => {
      app.addHook('onRegister', scope => { scopes.push(scope) })
      await more.before?.(app)
    },
    runtime: { fetch: trustingFetch, ...more.runtime },
    options: clover => ({
      cookieSecret: randomBytes(32).toString('base64'),
      baseUrl,
      callTimeout: 5_000,
      ...(typeof options === 'function' ? options({ clover, baseUrl }) : options),
      routes: { refresh: { onRequest: guard }, webhook: { auth: authOf(clover) }, ...routes }
    })
  })
  const { app, clover } = host
  if (listens) {
    await app.listen({ host: '127.0.0.1', port: manners ? 0 : port })
    proxy.target = (app.server.address() as AddressInfo).port
  }
  const diagnose = async (given?: DiagnoseOptions) => {
    const scope = [app, ...scopes].find(scope => scope.hasDecorator('clover')) ?? app // with a prefix, the app itself has no decorator
    const findings = await collect(scope.clover.diagnose(given))
    const byCheck = Object.fromEntries(findings.map(finding => [finding.check, finding]))
    t.equal(Object.keys(byCheck).length, findings.length, 'each check has one finding')
    return byCheck
  }
  const connect = async (merchantId = merchantA) => {
    const pair = clover.connect({ merchantId, ...(more.appId !== undefined && { appId: more.appId }) })
    await app.clover.adopt(adoptable(merchantId, pair))
  }
  return { ...host, baseUrl, proxy, diagnose, connect }
}

export async function collect (findings: AsyncIterable<Finding>): Promise<Finding[]> {
  const all: Finding[] = []
  for await (const finding of findings) all.push(finding)
  return all
}

/** The findings that somebody must look at, in words for a failed test. */
export function complaints (findings: Record<string, Finding>): string[] {
  return Object.values(findings).filter(({ status }) => status === 'warning' || status === 'error').map(({ check, status, message }) => `${check}: ${status}: ${message}`)
}
