import fc from 'fast-check'
import t from 'tap'
import { csvRow, fieldsOf } from '../../src/cli/csv.js'
import { formats, type LegacyRow } from '../../src/cli/legacy-rows.js'
import { rowsOf } from '../../src/cli/rows.js'
import { UsageError } from '../../src/cli/usage-error.js'

type Chunks = Array<Uint8Array | string>

/** Reads a list that comes in these pieces. */
async function read (format: keyof typeof formats, ...chunks: Chunks): Promise<LegacyRow[]> {
  const rows: LegacyRow[] = []
  for await (const row of formats[format](rowsOf((async function * () { yield * chunks })(), 'the list'), 'the list')) rows.push(row)
  return rows
}

/** The sentence for a wrong list. It must quote nothing of it. */
async function refusal (format: keyof typeof formats, ...chunks: Chunks): Promise<string> {
  try {
    await read(format, ...chunks)
  } catch (error) {
    if (!(error instanceof UsageError) || /canary/i.test(error.message)) throw error
    return error.message
  }
  return 'it was read'
}

const one = [{ number: 2, merchant: { merchantId: 'MERCHANT00001', legacyToken: 'token-1' } }]

t.test('CSV may have quotes, blanks, another order, further columns, blank rows, CRLF and a byte order mark', async t => {
  for (const text of [
    'merchantId,legacyToken\nMERCHANT00001,token-1',
    'merchantId,legacyToken\r\nMERCHANT00001,token-1\r\n',
    '\ufeffmerchantId,legacyToken\nMERCHANT00001,token-1\n',
    '"merchantId","legacyToken"\n"MERCHANT00001","token-1"\n',
    ' merchantId ,\t"legacyToken" \n  MERCHANT00001  ,  "token-1"  \n',
    'legacyToken,merchantId\ntoken-1,MERCHANT00001\n',
    'name,merchantId,legacyToken,\n"Tea, ""Ltd""",MERCHANT00001,token-1,\n'
  ]) {
    t.same(await read('csv', Buffer.from(text)), one, text)
    t.same(await read('csv', ...Array.from(Buffer.from(text), byte => Uint8Array.of(byte))), one, 'byte by byte')
  }
  t.same(await read('csv', 'merchantId,legacyToken\n\n \nMERCHANT00001,\n'), [{ number: 4, merchant: { merchantId: 'MERCHANT00001', legacyToken: '' } }])
  t.same(await read('csv', 'merchantId,legacyToken\n'), [])
})

t.test('JSON Lines may leave the token out', async t => {
  t.same(await read('jsonl', '\n{"merchantId":"MERCHANT00001",', '"legacyToken":"token-1"}'), one)
  t.same(await read('jsonl', '{"merchantId":"MERCHANT00001"}\r\n\r\n{"merchantId":7}\n'), [{ number: 1, merchant: { merchantId: 'MERCHANT00001' } }, { number: 3, merchant: { merchantId: 7 } }])
  t.same(await read('jsonl'), [])
})

t.test('a row that is not in the format is named by its number, and nothing of it is quoted', async t => {
  const header = 'merchantId,legacyToken\n'
  const wrong: Array<[keyof typeof formats, Chunks, string]> = [
    ['csv', [`${header}MERCHANT00001,canary\nMERCHANT00002,canary,canary\n`], 'the list, row 3: it has 3 fields, and the first row has 2.'],
    ['csv', [`${header}canary`], 'the list, row 2: it has 1 field, and the first row has 2.'],
    ['csv', [`${header}MERCHANT00001,"canary`], 'the list, row 2: a quoted field does not end.'],
    ['csv', [`${header}MERCHANT00001,"canary""`], 'the list, row 2: a quoted field does not end.'],
    ['csv', [`${header}"canary`], 'the list, row 2: a quoted field does not end.'],
    ['csv', [`${header}"canary""`], 'the list, row 2: a quoted field does not end.'],
    ['csv', [`${header}"MERCHANT00001","canary`], 'the list, row 2: a quoted field does not end.'],
    ['csv', [`${header}MERCHANT00001,"canary" canary`], 'the list, row 2: a quoted field must end before the comma.'],
    ['csv', [`${header}MERCHANT00001,can"ary`], 'the list, row 2: a field with a quotation mark must begin with one.'],
    ['jsonl', ['{"merchantId":"MERCHANT00001","legacyToken":"canary"}\n{"merchantId":"canary"'], 'the list, row 2: it is no JSON object with merchantId and legacyToken.'],
    ['jsonl', ['["canary"]'], 'the list, row 1: it is no JSON object with merchantId and legacyToken.'],
    ['jsonl', ['null'], 'the list, row 1: it is no JSON object with merchantId and legacyToken.'],
    ['jsonl', ['"canary"'], 'the list, row 1: it is no JSON object with merchantId and legacyToken.'],
    ['jsonl', ['{"merchant":"canary"}'], 'the list, row 1: it is no JSON object with merchantId and legacyToken.'],
    ['csv', [header, 'canary'.repeat(11_000)], 'the list, row 2: a row has 65536 characters at most.'],
    ['csv', [`${header}${'canary'.repeat(11_000)}\n`], 'the list, row 2: a row has 65536 characters at most.'],
    ['csv', [Uint8Array.of(0xff, 0xfe), Buffer.from(`${header}canary`, 'utf16le')], 'the list is no text in UTF-8.'],
    ['csv', [header, Uint8Array.of(0xc3)], 'the list is no text in UTF-8.']
  ]
  for (const [format, chunks, says] of wrong) t.equal(await refusal(format, ...chunks), says)
})

t.test('wrong columns are named, unless they may be a token', async t => {
  t.equal(await refusal('csv', 'merchant_id;Legacy Token\n'), 'the list has the columns merchant_id;Legacy Token: it must have merchantId,legacyToken. Separate the fields with commas.')
  t.equal(await refusal('csv', 'merchantId\tlegacyToken\nMERCHANT00001\tcanary\n'), 'the list has the columns merchantId\tlegacyToken: it must have merchantId,legacyToken. Separate the fields with commas.')
  t.equal(await refusal('csv', 'merchantId\n'), 'the list has the columns merchantId: it must have merchantId,legacyToken.')
  t.equal(await refusal('csv', 'merchantId,legacyToken,merchantId\n'), 'the list has the columns merchantId,legacyToken,merchantId: it must have merchantId,legacyToken.')
  for (const token of ['canary-5', 'canary'.repeat(6), 'canary\u001b']) {
    t.equal(await refusal('csv', `MERCHANT,${token}\n`), 'the list does not begin with the names of its columns: its first row must be merchantId,legacyToken.')
  }
  for (const text of ['', '\n \n']) t.equal(await refusal('csv', text), 'the list is empty: its first row must be merchantId,legacyToken.')
})

t.test('what is written as CSV is read as it was, without the blanks around a field', async t => {
  const field = fc.string({ unit: fc.constantFrom('a', '"', ',', ' ', '\t', 'é'), maxLength: 8 })
  fc.assert(fc.property(fc.array(field, { minLength: 1, maxLength: 4 }), fields => {
    const read = fieldsOf(csvRow(fields).trimEnd(), 'a row')
    return read.length === fields.length && fields.every((field, i) => read[i] === field || read[i] === field.trim())
  }), { seed: 1, numRuns: 300 })
  t.pass()
})

/** One field by the rules of quoting. */
const fieldPattern = '\\s*"(?:[^"]|"")*"\\s*|[^",]*'

/** What the rules say of a row; undefined: it is not in the format. */
function byTheRules (row: string): string[] | undefined {
  if (!new RegExp(`^(?:${fieldPattern})(?:,(?:${fieldPattern}))*$`).test(row)) return undefined
  const fields = `,${row}`.matchAll(new RegExp(`,(${fieldPattern})`, 'g'))
  return Array.from(fields, ([, field = '']) => field.trim().replace(/^"([^]*)"$/, '$1').replaceAll('""', '"'))
}

t.test('every row has the fields that the rules of quoting say, or is refused with a sentence', async t => {
  const row = fc.string({ unit: fc.constantFrom('"', '"', ',', 'a', '\n', ' '), maxLength: 12 })
  fc.assert(fc.property(row, row => {
    let fields: string[] | undefined
    try {
      fields = fieldsOf(row, 'a row')
    } catch (error) {
      if (!(error instanceof UsageError)) throw error
    }
    return JSON.stringify(fields) === JSON.stringify(byTheRules(row))
  }), { seed: 1, numRuns: 3000 })
  t.pass()
})
