import { writeFile } from 'node:fs/promises'
import { cloverSimulator } from 'fastify-clover/testing'

const simulator = await cloverSimulator({
  port: Number(process.env.SIMULATOR_PORT ?? 3001),
  apps: [{ id: 'SIMULATORAPP1', secret: 'simulator-secret' }] // the same at each start
})
const merchants = simulator.addMerchants(100)
const rows = merchants.map(merchantId => `${merchantId},${simulator.legacyToken({ merchantId })}`)
await writeFile('legacy.csv', ['merchantId,legacyToken', ...rows].join('\n'))
console.log(`${simulator.origin} has ${rows.length} merchants, whose legacy tokens are in legacy.csv`)
