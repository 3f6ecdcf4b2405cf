import { Type } from '@sinclair/typebox'
import type { FastifyError, FastifyReply } from 'fastify'
import { problemPage } from './html.js'
import { statusOf, type Outcome } from './outcome.js'
import type { App } from './parts.js'

const Text = Type.String({ maxLength: 8192 })

/** The form of the login page; `return_to` is a path of the simulator. */
export const LoginForm = Type.Object({ employee: Type.String({ minLength: 1, maxLength: 100 }), return_to: Text })

/** The form of the approval page; `request` is the path and query of the authorize request. */
export const DecisionForm = Type.Object({ decision: Type.Union([Type.Literal('approve'), Type.Literal('deny')]), request: Text })

/** The forms that install and uninstall an app. */
export const PairingForm = Type.Object({ app_id: Text, merchant_id: Text })

/** The query that opens an app; `flow=v1` uses the v1 flow. */
export const OpenQuery = Type.Object({ ...PairingForm.properties, flow: Type.Optional(Text) })

/** The path and the query of an App Market page. */
export const MarketParams = Type.Object({ appId: Text })
export const MarketQuery = Type.Object({ merchant_id: Type.Optional(Text) })

/** The query of the dashboard: a search. */
export const DashboardQuery = Type.Object({ q: Type.Optional(Text) })

/** Makes a scope accept only forms, and answers invalid ones with a page. */
export function takeForms (app: App): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string', bodyLimit: 65_536 }, (_request, body, done) => {
    done(null, Object.fromEntries(new URLSearchParams(String(body))))
  })
  app.setErrorHandler((error: FastifyError, _request, reply) => send(reply, problemPage(statusOf(error), `${error.message}.`)))
}

/** Sends a page or a redirect that is not counted as a call to Clover and gets no faults. */
export function send (reply: FastifyReply, { status, headers = {}, body }: Outcome): FastifyReply {
  return reply.code(status).headers(headers).send(body)
}

/** The URL of a page of the simulator, from a form's field; of the dashboard, if the field is not a URL. The host is a placeholder. */
export function ownPage (text: string): URL {
  const base = 'http://simulator.invalid'
  return URL.canParse(text, base) ? new URL(text, base) : new URL(base)
}

/** The path and query of a page, for a redirect. It never begins with two slashes, which would lead to another host. */
export function pathOf ({ pathname, search }: URL): string {
  return `/${pathname.replace(/^\/+/, '')}${search}`
}
