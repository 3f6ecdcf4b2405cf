/*
 * Strangers in a thread of their own, so that they and the host do not share a processor's time: launches and callbacks with made-up codes, so many a
 * second whatever the host answers. Posts how often each status was answered, once it is sent a message and the last answer is there.
 */

import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { parentPort, workerData } from 'node:worker_threads'

const { url, merchantId, perSecond, from } = workerData
const agent = new Agent({ keepAlive: true, maxSockets: 2_000 })
const statuses = {}
const visits = new Set()
let codes = from

async function get (address, headers) {
  const sent = request(address, { agent, headers: { accept: 'text/html', ...headers } })
  sent.end()
  const [response] = await once(sent, 'response')
  response.resume()
  await once(response, 'end')
  return response
}

async function visit () {
  const code = `made-up-code-${++codes}`
  const merchant = merchantId ?? `S${String(codes).padStart(12, '0')}`
  const { headers } = await get(`${url}/clover/launch?merchant_id=${merchant}`)
  const state = new URL(headers.location).searchParams.get('state')
  const [cookie] = headers['set-cookie'][0].split(';')
  const { statusCode } = await get(`${url}/clover/callback?${new URLSearchParams({ code, merchant_id: merchant, state })}`, { cookie })
  statuses[statusCode] = (statuses[statusCode] ?? 0) + 1
}

const began = performance.now()
let sent = 0
const timer = setInterval(() => {
  for (const due = (performance.now() - began) / 1000 * perSecond; sent < due; sent++) {
    const one = visit().catch(error => { statuses[error.code] = (statuses[error.code] ?? 0) + 1 }).finally(() => visits.delete(one))
    visits.add(one)
  }
}, 5)

parentPort.once('message', async () => {
  clearInterval(timer)
  await Promise.all(visits)
  agent.destroy()
  parentPort.postMessage({ statuses, sent })
})
