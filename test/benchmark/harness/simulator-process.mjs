/* The simulator in a process of its own; its parent asks it to approve launches, as merchants in a browser would. */
import { cloverSimulator } from '../../../dist/testing/index.js'

const simulator = await cloverSimulator({ callsKept: 0 })
const commands = {
  approve: location => {
    const { searchParams } = new URL(location)
    const granted = simulator.authorize({ merchantId: searchParams.get('merchant_id'), appId: searchParams.get('client_id') })
    const url = new URL(searchParams.get('redirect_uri'))
    for (const [name, value] of Object.entries({ state: searchParams.get('state'), ...granted })) url.searchParams.set(name, value)
    return url.href
  }
}
process.on('message', ({ id, command, argument }) => process.send({ id, value: commands[command](argument) }))
process.once('disconnect', () => process.exit(0))
const [{ id, secret }] = simulator.apps
process.send({ ready: { environment: simulator.environment, appId: id, appSecret: secret } })
