import t from 'tap'
import { approve, isCookieTest, setCookies } from '../harness/browser.js'
import { merchantA, merchantB, startHost } from '../harness/host.js'

t.test('a return_to that could lead to another host is refused (security 2)', async t => {
  const { browser } = await startHost(t)
  const evil = ['//evil.example', '///evil.example', '/\\evil.example', '\\\\evil.example', '\\/evil.example', 'https:evil.example', 'https://evil.example', 'http:/\\evil.example', 'javascript:alert(1)',
    'evil.example', '', '.', './x', '../x', '?x', '#x', '/.//evil.example', '/..//evil.example', '/a/..//evil.example', '/a/../..//evil.example', '/%2e//evil.example', '/%2E%2e//evil.example', '/./\\evil.example',
    '/%2f%2fevil.example', '/%2Fevil.example', '/%5cevil.example', '/%5C%5Cevil.example', '/a%5cb', '/\tevil', '/\t/evil.example', '/\n/evil.example', '/\r\nSet-Cookie: a=b', '/\u0000', '/\u0001/evil', '/\u007f',
    '/\u0085/evil', '/%09/evil.example', '/%0a/evil.example', '/%0d%0aSet-Cookie:%20a=b', '/%00', '/%c2%85', '/%', '/%zz', '/%e0%a4%a', ' /x', '/\ud800%', `/${'x'.repeat(256)}`, `/${'é'.repeat(43)}`, `/a/../${'x'.repeat(251)}`,
    '//', '//@evil.example', '/\\/evil.example', '/%2f', '/%2f..%2f..']
  const replies: unknown[] = []
  for (const path of evil) {
    const reply = await browser().visit(`/clover/launch?return_to=${encodeURIComponent(path.replace('\ud800', ''))}`, { headers: { accept: '*/*' } })
    replies.push([path, reply.statusCode, setCookies(reply)])
  }
  t.same(replies, evil.map(path => [path, 400, []]))
})

t.test('a return_to that is a path of this app reaches the callback as a browser normalizes it (security 2)', async t => {
  const { clover, browser } = await startHost(t)
  const paths: Record<string, string> = {
    '/': '/',
    '/orders': '/orders',
    '/orders/': '/orders/',
    '/orders?next=%2F%2Fevil.example': '/orders?next=%2F%2Fevil.example',
    '/orders?next=https://evil.example#top': '/orders?next=https://evil.example#top',
    '/a//b': '/a//b',
    '/a/../b': '/b',
    '/größe?q=ä': '/gr%C3%B6%C3%9Fe?q=%C3%A4',
    '/a b': '/a%20b',
    '/@evil.example': '/@evil.example',
    '/:80': '/:80',
    '/%252f%252fevil.example': '/%252f%252fevil.example',
    '/"><script>': '/%22%3E%3Cscript%3E',
    '/javascript:alert(1)': '/javascript:alert(1)',
    [`/${'x'.repeat(255)}`]: `/${'x'.repeat(255)}`
  }
  for (const [path, expected] of Object.entries(paths)) {
    const merchant = browser()
    const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}&return_to=${encodeURIComponent(path)}`)
    const reply = await merchant.visit(approve(clover, launch))
    t.equal(reply.statusCode, 302)
    t.equal(reply.headers.location, expected)
    t.equal(new URL(expected, 'https://shop.example').origin, 'https://shop.example')
  }
})

t.test('a return path cannot be changed on the way: its cookie is signed (security 2, security 6)', async t => {
  const { clover, browser } = await startHost(t)
  const merchant = browser()
  const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}&return_to=/orders`)
  const [name = ''] = await merchant.stateCookies()
  const value = merchant.cookieValues[0] ?? ''
  const parts = value.split('.')
  const forge = (index: number, part: string) => `${name}=${parts.with(index, part).join('.')}`
  const before = clover.calls.length
  for (const cookie of [forge(4, Buffer.from('/stolen').toString('base64url')), forge(3, merchantB), forge(2, String(Number(parts[2]) + 500)), forge(1, '7'), forge(5, '9'), forge(6, 'x'.repeat(43)), `${name}=`, `${name}=${value}x`, `${name}=%`]) {
    t.ok(isCookieTest(await merchant.visit(approve(clover, launch), { headers: { cookie } })))
  }
  t.equal(clover.calls.length, before, 'no call to Clover')
})
