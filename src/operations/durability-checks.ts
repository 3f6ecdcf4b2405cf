import { isForTrials } from '../environments.js'
import type { DurabilityReport } from '../storage/durability.js'
import type { DiagnosisContext } from './context.js'
import { found, ok, type Finding } from './finding.js'
import { whyStorageFailed } from './storage-failure.js'

type Severity = 'warning' | 'error'

/** A setting, and what is lost with another value. */
interface Rule {
  setting: string
  isDurable: (value: string, settings: Record<string, string>) => boolean
  /**
   * `error`: a crash of the database's own process loses writes that it confirmed, or no crash is needed. `warning`: a power cut or a crash of its
   * machine does.
   */
  severity: (value: string, settings: Record<string, string>) => Severity
  loses: string
  fix: string
}

const error = () => 'error' as const
const warning = () => 'warning' as const
const crash = 'a crash of the database loses writes that it has confirmed'
const powerCut = 'a power cut loses writes that it has confirmed'

/*
 * 3 of MariaDB's innodb_flush_log_at_trx_commit waits for the disk as 1 does. Redis' volatile-* policies delete only keys that expire, and the adapter's
 * do not.
 */
const rules: Record<string, Rule[]> = {
  PostgreSQL: [
    { setting: 'synchronous_commit', isDurable: value => value !== 'off', severity: error, loses: crash, fix: 'Set synchronous_commit = on.' },
    { setting: 'fsync', isDurable: value => value === 'on', severity: error, loses: 'a power cut may damage the whole database', fix: 'Set fsync = on.' },
    { setting: 'is_replica', isDurable: value => value === 'no', severity: error, loses: 'a replica shows tokens that are spent', fix: 'Give the adapter a pool that leads to the primary.' }
  ],
  MySQL: [
    { setting: 'innodb_flush_log_at_trx_commit', isDurable: value => value === '1' || value === '3', severity: value => value === '2' ? 'warning' : 'error', loses: crash, fix: 'Set innodb_flush_log_at_trx_commit = 1.' },
    { setting: 'sync_binlog', isDurable: (value, { log_bin: log }) => value === '1' || log === '0', severity: warning, loses: powerCut, fix: 'Set sync_binlog = 1.' }
  ],
  SQLite: [
    { setting: 'journal_mode', isDurable: value => value !== 'memory' && value !== 'off', severity: error, loses: 'it is gone with the process, or damaged by a crash', fix: 'Give the adapter a file on a local disk, with PRAGMA journal_mode = WAL.' },
    { setting: 'synchronous', isDurable: value => Number(value) >= 2, severity: value => value === '1' ? 'warning' : 'error', loses: powerCut, fix: 'Run PRAGMA synchronous = FULL on the connection.' }
  ],
  Redis: [
    { setting: 'appendonly', isDurable: value => value === 'yes', severity: error, loses: crash, fix: 'Set appendonly yes.' },
    { setting: 'appendfsync', isDurable: value => value === 'always', severity: warning, loses: powerCut, fix: 'Set appendfsync always.' },
    { setting: 'maxmemory-policy', isDurable: value => value === 'noeviction' || value.startsWith('volatile-'), severity: error, loses: 'merchants are deleted when its memory is full', fix: 'Set maxmemory-policy noeviction.' }
  ]
}

/**
 * @internal Whether the database keeps what it has confirmed: its own settings, where the adapter can ask for them.
 *
 * `memoryStorage` is as it should be in the sandbox and with a simulator, for which it is made.
 */
export async function * durabilityFindings ({ store, options: { environment } }: Pick<DiagnosisContext, 'store' | 'options'>): AsyncGenerator<Finding, void, undefined> {
  const check = 'storage-durability'
  let report: DurabilityReport | undefined
  try {
    report = await store.durability()
  } catch (error) {
    yield found(check, 'not-checked', `The database could not be asked for its settings: ${whyStorageFailed(error)}.`, 'Compare its settings with the guide to storage.')
    return
  }
  if (report === undefined || report.servers.length === 0) {
    yield found(check, 'not-checked', `${report?.store ?? 'This storage adapter'} cannot be asked for its settings.`, 'Compare them with the guide to storage.')
    return
  }
  const { store: name } = report
  if (name === 'memory') {
    yield isForTrials(environment)
      ? ok(check, 'memoryStorage keeps merchants until the process ends, as is enough for the sandbox and a simulator.')
      : found(check, 'error', 'memoryStorage keeps merchants until the process ends: every merchant must authorize again then.', 'Take an adapter for a database.')
    return
  }
  const findings = report.servers.flatMap(settings => judge(name, settings))
  const worst = findings.filter(({ status }) => status === 'error').concat(findings)
  yield * findings.length === 0 ? [ok(check, `${name} keeps what it has confirmed (${listed(report.servers)}).`)] : distinct(worst)
}

function judge (store: string, settings: Record<string, string>): Finding[] {
  return (rules[store] ?? []).flatMap(({ setting, isDurable, severity, loses, fix }) => {
    const value = settings[setting]
    if (value === undefined) return [found('storage-durability', 'not-checked', `${store} does not report its ${setting}.`, fix)]
    return isDurable(value, settings) ? [] : [found('storage-durability', severity(value, settings), `${store} has ${setting} ${value}: ${loses}.`, fix)]
  })
}

/** Servers of a cluster often have the same settings. */
function distinct (findings: Finding[]): Finding[] {
  return [...new Map(findings.map(finding => [finding.message, finding])).values()]
}

function listed (servers: Array<Record<string, string>>): string {
  return [...new Set(servers.flatMap(settings => Object.entries(settings).map(([name, value]) => `${name} ${value}`)))].join(', ')
}
