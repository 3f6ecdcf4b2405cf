import t from 'tap'
import { links } from '../../src/operations/checks.js'
import { merchantA } from '../harness/host.js'
import { complaints, startDoctorHost } from './doctor-host.js'

t.test('a healthy host has no warning and no error, and no check is left out', async t => {
  const { diagnose, connect } = await startDoctorHost(t, {})
  await connect()
  const findings = await diagnose({ merchantId: merchantA })
  console.log(findings)
  t.same(complaints(findings), [])
  t.same(Object.keys(findings), Object.keys(links))
})

t.test('a healthy host behind https', async t => {
  const { diagnose, connect } = await startDoctorHost(t, { proxy: { tls: true } })
  await connect()
  const findings = await diagnose({ merchantId: merchantA })
  t.same(complaints(findings), [])
})
