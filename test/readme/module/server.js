import Fastify from 'fastify'
import app, { options } from './app.js'

const server = Fastify(options)
await server.register(app)
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => server.close())
console.log(`Listening at ${await server.listen({ port: Number(process.env.PORT ?? 3000) })}`)
