/*
 * A Clover on localhost for the hosts in this folder: node example/hosts/simulator.mjs
 *
 * It runs beside them and not inside, so that a host can be started again and its merchants are still connected.
 */
import { cloverSimulator } from 'fastify-clover/testing'

const { PORT = '3001' } = process.env

const simulator = await cloverSimulator({
  port: Number(PORT),
  apps: [{
    id: 'SIMULATORAPP1',
    name: 'Your app',
    secret: 'simulator-secret',
    launchUrl: 'http://localhost:3000/clover/launch',
    webhookUrl: 'http://localhost:3000/clover/webhook',
    webhookAuth: 'simulator-webhook-auth'
  }]
})
console.log(`The Clover simulator is at ${simulator.origin}: its dashboard opens the app as Clover's does.`)
