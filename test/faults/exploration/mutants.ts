import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import ts from 'typescript'
import type { TokenModules } from './modules.js'

/** A rule left out: one piece of source text replaced by another. */
export interface Mutant {
  rule: string
  file: string
  from: string
  to: string
  /** The scenario in which it shows, by name. */
  shows: string
}

const sourceFolder = new URL('../../../src/tokens/', import.meta.url)

/** Loads src/tokens with one mutation, from copies written into a folder inside the project. */
export async function loadMutant ({ file, from, to }: Mutant, folder: string): Promise<TokenModules> {
  for (const name of await readdir(sourceFolder)) {
    let source = await readFile(new URL(name, sourceFolder), 'utf8')
    if (name === file) {
      const places = source.split(from).length - 1
      if (places !== 1) throw new Error(`${file} has ${places} places, and not one, with: ${from}`)
      source = source.replace(from, () => to)
    }
    const { outputText } = ts.transpileModule(source, {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true }
    })
    // What is not mutated comes from the sources themselves.
    const linked = outputText.replace(/from '(\.\.\/[^']+)\.js'/g, (_match, path: string) => `from '${new URL(`${path}.ts`, sourceFolder).href}'`)
    await writeFile(join(folder, name.replace(/\.ts$/, '.js')), linked)
  }
  const load = async (name: string) => await import(pathToFileURL(join(folder, `${name}.js`)).href)
  const parts = ['connections', 'disconnects', 'flights', 'placements', 'reader', 'record', 'refresh', 'slots']
  return Object.assign({}, ...await Promise.all(parts.map(load))) as TokenModules
}

/** Every rule that design.md marks as needed, left out once. */
export const mutants: Mutant[] = [
  {
    rule: '1: an unexpired lease is not waited for',
    file: 'refresh.ts',
    from: 'if (lease && lease.by !== by && lease.by !== this.#own.get(merchantId)) return',
    to: 'if (false) return',
    shows: 'three servers'
  },
  {
    rule: '2: no intent before the call',
    file: 'refresh.ts',
    from: 'return await this.#hold(claim) ? call() : undefined',
    to: 'return claim.record.refreshLease === undefined || await this.#hold(claim) ? call() : undefined',
    shows: 'three servers'
  },
  {
    rule: '2: an intent of unknown outcome is taken for done',
    file: 'refresh.ts',
    from: 'if (current?.refreshLease?.by === by) return {',
    to: 'if (current) return {',
    shows: 'any one fault'
  },
  {
    rule: '3: recovery first, no refresh',
    file: 'refresh.ts',
    from: 'const refreshed = await this.#ask(claim, () => clover.refresh(base))',
    to: 'const refreshed = trust === \'high\' ? { outcome: \'refused\', status: 401, recoveryAvailable: true } : await this.#ask(claim, () => clover.refresh(base))',
    shows: 'three servers'
  },
  {
    rule: '3: a lease is cleared when an answer is lost',
    file: 'refresh.ts',
    from: 'if (refreshed.outcome === \'unclear\') return this.#fail(claim, refreshed)',
    to: 'if (refreshed.outcome === \'unclear\') { const { refreshLease, ...rest } = claim.record; await this.#use.store.put({ ...rest, dueAt: rest.refreshTokenExpiration, revision: this.#use.make.id() }, rest.revision); return this.#fail(merchantId, refreshed) }',
    shows: 'a merchant whom nobody asks for'
  },
  {
    rule: '3: recovery only where the header offers it',
    file: 'refresh.ts',
    from: 'const candidates = trust === \'high\' ? [base, start.spentRefreshToken] : []',
    to: 'const candidates = trust === \'high\' && recoveryAvailable ? [base, start.spentRefreshToken] : []',
    shows: 'a Clover that does not offer recovery'
  },
  {
    rule: '3: the spent token is never tried',
    file: 'refresh.ts',
    from: 'const candidates = trust === \'high\' ? [base, start.spentRefreshToken] : []',
    to: 'const candidates = trust === \'high\' ? [base] : []',
    shows: 'two: late request and answer'
  },
  {
    rule: '3: the lease is not checked before a recovery',
    file: 'refresh.ts',
    from: 'const recovered = await this.#ask(claim, () => clover.recover(spent))',
    to: 'const recovered = await clover.recover(spent)',
    shows: 'any one fault'
  },
  {
    rule: '3: the lease is not checked before a second try',
    file: 'refresh.ts',
    from: 'return await this.#hold(claim) ? call() : undefined',
    to: 'return attempt > 1 || await this.#hold(claim) ? call() : undefined',
    shows: 'two: answer and lease, once'
  },
  {
    rule: '4: a pair is dropped when its write fails',
    file: 'flights.ts',
    from: 'if (held) this.#held.add(held)\n        else onRecord(record)',
    to: 'if (!held) onRecord(record)',
    shows: 'any one fault, low trust'
  },
  {
    rule: '4: a pair is written whatever the revision',
    file: 'refresh.ts',
    from: 'if (await store.put(held.next, held.expected)) return',
    to: 'if (await store.put(held.next, (await store.get(merchantId))?.revision)) return',
    shows: 'any one fault'
  },
  {
    rule: '5: a pair is put anew although the merchant has gone',
    file: 'refresh.ts',
    from: 'const current = await store.get(merchantId)\n      if (current !== undefined) {',
    to: 'const current = await store.get(merchantId)\n      if (current === undefined) { held.expected = undefined; continue }\n      if (current !== undefined) {',
    shows: 'a disconnect and a refresh'
  },
  {
    rule: '5: a pair does not overwrite a mark',
    file: 'refresh.ts',
    from: 'const untouched = current.refreshToken === base',
    to: 'const untouched = current.refreshToken === base && !current.reauthorizationRequired',
    shows: 'any one fault, low trust'
  },
  {
    rule: '5: a pair does not overwrite somebody\'s lease',
    file: 'refresh.ts',
    from: 'const untouched = current.refreshToken === base',
    to: 'const untouched = current.refreshToken === base && !current.refreshLease',
    shows: 'any one fault, low trust'
  },
  {
    rule: '5: a recovered pair does not overwrite the pair that it killed',
    file: 'refresh.ts',
    from: 'if (untouched || replaced) {',
    to: 'if (untouched) {',
    shows: 'any one fault, once'
  },
  {
    rule: '5: a pair of the same spent token is always overwritten',
    file: 'refresh.ts',
    from: 'const replaced = current.spentRefreshToken === pair.presented && pair.recovered && !current.recovered',
    to: 'const replaced = current.spentRefreshToken === pair.presented',
    shows: 'any one fault'
  },
  {
    rule: '6: a mark is written whatever the revision',
    file: 'refresh.ts',
    from: 'if (!await store.put(next, claim.record.revision)) return undefined',
    to: 'if (!await store.put(next, (await store.get(next.merchantId))?.revision)) return undefined',
    shows: 'any one fault, low trust'
  },
  {
    rule: '8: a callback overwrites whatever is there',
    file: 'placements.ts',
    from: '} else {\n        return false',
    to: '} else {\n        placement.expected = current.revision',
    shows: 'two callbacks, new'
  },
  {
    rule: '8: a callback tries again after a disconnect',
    file: 'placements.ts',
    from: 'if (before !== undefined || (placement.isUnknown && !overwriteUnknown)) throw recordChanged(merchantId)',
    to: '',
    shows: 'a disconnect and a callback, with a dead pair'
  },
  {
    rule: '9: a returning visit keeps a pair without proof',
    file: 'connections.ts',
    from: 'if (!isAlive && !await this.#isAlive(before)) return \'again\'',
    to: '',
    shows: 'a callback that finds a dead pair'
  },
  {
    rule: '10: a disconnect deletes whatever is there',
    file: 'disconnects.ts',
    from: 'if (await store.delete(merchantId, revision)) return true',
    to: 'if (await store.delete(merchantId)) return true',
    shows: 'a disconnect and a callback'
  },
  {
    rule: '10: a disconnect that fails drops the held pair',
    file: 'disconnects.ts',
    from: 'this.#delete(merchantId, first, connectedBefore).finally(() => reader.drop(merchantId))',
    to: 'this.#delete(merchantId, first, connectedBefore).finally(() => flights.drop(merchantId, () => true))',
    shows: 'a disconnect that fails'
  },
  {
    rule: '8: a callback drops what is held of its own connection',
    file: 'placements.ts',
    from: 'record => record.connectionId !== connectionId',
    to: '() => true',
    shows: 'a new connection is refreshed before its callback knows'
  },
  {
    rule: '10: a visit that keeps the tokens leaves no trace',
    file: 'connections.ts',
    from: 'await this.#noteVisit(merchantId)',
    to: '',
    shows: 'a disconnect and a returning visit'
  },
  {
    rule: '18: a pair that came by recovery is not doubtful',
    file: 'refresh.ts',
    from: '(recovered || claim.isDoubtful)',
    to: 'claim.isDoubtful',
    shows: 'a recovery that Clover handles late, and nobody who asks'
  },
  {
    rule: '18: a pair obtained over a lease or a mark is not doubtful',
    file: 'refresh.ts',
    from: '(recovered || claim.isDoubtful)',
    to: 'recovered',
    shows: 'a crash with a recovery in progress, and nobody who asks'
  },
  {
    rule: '18: a pair written over somebody\'s lease or mark is not doubtful',
    file: 'refresh.ts',
    from: 'held.pair = { ...pair, isDoubtful: true }',
    to: '{}',
    shows: 'a recovery that Clover handles late, a write that fails, and nobody who asks'
  },
  {
    rule: '18: a doubtful pair is due when its refresh token ends',
    file: 'record.ts',
    from: '...(isDoubtful && { confirmAt: Math.ceil(now + confirmAfter) }),',
    to: '',
    shows: 'a recovery that Clover handles late, and nobody who asks'
  }
]
