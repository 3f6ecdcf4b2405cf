import Fastify from 'fastify'
import fp from 'fastify-plugin' // npm install fastify-plugin
import app, { options } from './app.js'

const server = Fastify(options)
await server.register(fp(app)) // fp: without it, server.clover would be visible inside of the app only
await server.ready()

let [read, failed] = [0, 0]
for await (const { merchantId, flow } of server.clover.installations()) {
  read++
  try {
    if (flow === 'v2') await server.clover.refresh(merchantId)
  } catch (error) {
    failed++
    console.error(merchantId, error.message)
  }
  if (read % 100 === 0) console.error(`${read} merchants so far`)
}
console.error(`${read} merchants, ${failed} failed`)
await server.close()
