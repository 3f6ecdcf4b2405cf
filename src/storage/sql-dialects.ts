/** The SQL dialects that `sqlStorage` writes. MariaDB has the name of MySQL. */
export type SqlDialect = 'postgresql' | 'mysql' | 'sqlite'

/** A value for a statement's parameter. */
export type SqlValue = string | number | null

/** The parameters that the adapter's statements have, by name. */
export interface Parameters {
  merchantId?: string
  revision?: string
  dueAt?: number | null
  document?: string
  expected?: string | undefined
  cursor?: string
  dueBefore?: number | undefined
}

/** A statement: its text, and its parameters in the order of the text's placeholders. */
export interface Statement {
  text: string
  names: ReadonlyArray<keyof Parameters>
}

/** A column of a table that exists, as the statement `describe` of a dialect returns it. */
export interface DescribedColumn {
  name: string
  /** In the database's own words, such as `varchar(191)`. */
  type: string
  /** Not 0: a row cannot be inserted without a value for it. */
  required: unknown
  /** Not 0: it is unique, by a primary key or an index of this column only. */
  keyed: unknown
  /** MySQL: the table's storage engine, and two settings of the connection. */
  engine?: string
  autocommit?: unknown
  mode?: string
}

/** The statements of one table in one dialect. */
export interface Statements {
  describe: Statement
  settings: Statement
  create: Statement[]
  get: Statement
  getRow: Statement
  insert: Statement
  update: Statement
  delete: Statement
  deleteRevision: Statement
  list: Statement
  listDue: Statement
}

/** How a dialect differs from the others. */
interface Dialect {
  /** Quotes a checked name. */
  quote: (name: string) => string
  /** The placeholder of a parameter; `place` counts from 1. */
  placeholder: (place: number) => string
  /** Whether a placeholder names its parameter's place, so that one parameter may occur twice. */
  isNumbered: boolean
  /** The end of a statement that writes: it returns the rows that it wrote, where the dialect can. Counts of rows are missing or wrong in some clients. */
  returning: string
  /** The end of an INSERT that must not replace a row. MySQL has none that tells a duplicate key from other errors: the adapter catches its error. */
  ifAbsent: string
  /** A condition that the stored revision is exactly the expected one. */
  isExpected: string
  /** The settings on which durability depends, in one row. */
  settings: string
  describe: (table: Table) => string
  create: (table: Table) => string[]
}

/** A table's checked name. */
interface Table {
  /** Quoted, with its schema. */
  name: string
  /** Without quotes or schema. */
  bare: string
  schema: string | undefined
}

/** The end of a statement that writes, where the dialect can return the rows that it wrote. */
export const returning = ' RETURNING merchant_id'

/** A number type that holds Unix seconds with their fraction, in the words of `DescribedColumn.type`. */
export const numberTypes: Record<SqlDialect, RegExp> = {
  postgresql: /^(?:double precision|numeric)$/,
  mysql: /^double$/,
  sqlite: /^/
}

/** Text types, with their length if they have one. */
export const textTypes: Record<SqlDialect, RegExp> = {
  postgresql: /^(?:text|character varying)(?:\((?<length>\d+)\))?$/,
  mysql: /^(?:(?:medium|long)?text|(?:var)?char\((?<length>\d+)\))$/,
  sqlite: /^/
}

const dialects: Record<SqlDialect, Dialect> = {
  postgresql: {
    quote: name => `"${name}"`,
    placeholder: place => `$${place}`,
    isNumbered: true,
    returning,
    ifAbsent: ' ON CONFLICT (merchant_id) DO NOTHING',
    isExpected: 'revision = {expected}',
    settings: "SELECT current_setting('synchronous_commit') AS synchronous_commit, current_setting('fsync') AS fsync, CASE WHEN pg_is_in_recovery() THEN 'yes' ELSE 'no' END AS is_replica",
    describe: ({ name }) => `
      SELECT a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type,
        CASE WHEN a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' THEN 1 ELSE 0 END AS required,
        (SELECT count(*)::int FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique AND i.indisvalid AND i.indimmediate
          AND i.indpred IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum) AS keyed
      FROM pg_attribute a WHERE a.attrelid = to_regclass('${name}') AND a.attnum > 0 AND NOT a.attisdropped`,
    // Servers that start at the same time may all find no table: all but the first then fail with one of three errors (also with CREATE TABLE IF NOT
    // EXISTS) after the first has committed. A lock would not be enough, since a session may cache its lookup from before the wait.
    create: ({ name }) => [`
      DO $setup$ BEGIN
        IF to_regclass('${name}') IS NULL THEN
          CREATE TABLE ${name} (
            merchant_id text COLLATE "C" PRIMARY KEY, revision text COLLATE "C" NOT NULL, due_at double precision, document text NOT NULL
          );
          CREATE INDEX ON ${name} (due_at);
        END IF;
      EXCEPTION WHEN duplicate_table OR duplicate_object OR unique_violation THEN NULL;
      END $setup$`]
  },
  mysql: {
    quote: name => `\`${name}\``,
    placeholder: () => '?',
    isNumbered: false,
    returning: '',
    ifAbsent: '',
    // Exactly, also in a table whose collation compares without regard to case.
    isExpected: 'CAST(revision AS BINARY) = CAST({expected} AS BINARY)',
    settings: 'SELECT @@innodb_flush_log_at_trx_commit AS innodb_flush_log_at_trx_commit, @@log_bin AS log_bin, @@sync_binlog AS sync_binlog',
    describe: ({ bare, schema }) => `
      SELECT c.COLUMN_NAME AS \`name\`, c.COLUMN_TYPE AS \`type\`, t.ENGINE AS \`engine\`, @@autocommit AS \`autocommit\`, @@sql_mode AS \`mode\`,
        c.IS_NULLABLE = 'NO' AND c.COLUMN_DEFAULT IS NULL AND c.EXTRA = '' AS \`required\`,
        (SELECT COUNT(*) FROM information_schema.STATISTICS s
          WHERE s.TABLE_SCHEMA = c.TABLE_SCHEMA AND s.TABLE_NAME = c.TABLE_NAME AND s.COLUMN_NAME = c.COLUMN_NAME AND s.NON_UNIQUE = 0
            AND s.SEQ_IN_INDEX = 1 AND s.SUB_PART IS NULL AND NOT EXISTS (SELECT 1 FROM information_schema.STATISTICS o
              WHERE o.TABLE_SCHEMA = s.TABLE_SCHEMA AND o.TABLE_NAME = s.TABLE_NAME AND o.INDEX_NAME = s.INDEX_NAME AND o.SEQ_IN_INDEX = 2)
        ) AS \`keyed\`
      FROM information_schema.COLUMNS c
      JOIN information_schema.TABLES t ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME
      WHERE c.TABLE_SCHEMA = ${schema === undefined ? 'DATABASE()' : `'${schema}'`} AND c.TABLE_NAME = '${bare}'`,
    create: ({ name, bare }) => [`
      CREATE TABLE IF NOT EXISTS ${name} (
        merchant_id VARCHAR(191) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
        revision VARCHAR(191) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        due_at DOUBLE,
        document MEDIUMTEXT CHARACTER SET utf8mb4 NOT NULL,
        INDEX \`${indexName(bare)}\` (due_at)
      ) ENGINE = InnoDB`]
  },
  sqlite: {
    quote: name => `"${name}"`,
    placeholder: () => '?',
    isNumbered: false,
    returning,
    ifAbsent: ' ON CONFLICT (merchant_id) DO NOTHING',
    isExpected: 'revision = {expected}',
    settings: 'SELECT journal_mode, synchronous FROM pragma_journal_mode, pragma_synchronous',
    describe: ({ bare }) => `SELECT c.name AS name, c.type AS type, (c."notnull" AND c.dflt_value IS NULL AND NOT c.pk) AS required,
        (c.pk = 1 AND (SELECT max(pk) FROM pragma_table_info('${bare}')) = 1)
          OR EXISTS (SELECT 1 FROM pragma_index_list('${bare}') l WHERE l."unique" AND NOT l.partial
            AND (SELECT group_concat(coalesce(i.name, '')) FROM pragma_index_info(l.name) i) = c.name) AS keyed
      FROM pragma_table_info('${bare}') c`,
    create: ({ name, bare }) => [
      `CREATE TABLE IF NOT EXISTS ${name} (merchant_id TEXT NOT NULL PRIMARY KEY, revision TEXT NOT NULL, due_at REAL, document TEXT NOT NULL)`,
      `CREATE INDEX IF NOT EXISTS "${indexName(bare)}" ON ${name} (due_at)`
    ]
  }
}

/** The statements of a table, whose name was checked: they are made once, since clients keep prepared statements by their text. */
export function statementsFor (dialect: SqlDialect, table: string): Statements {
  const rules = dialects[dialect]
  const { returning: end, ifAbsent, isExpected } = rules
  const parts = table.split('.')
  const [bare = '', schema] = parts.toReversed()
  const names: Table = { name: parts.map(rules.quote).join('.'), bare, schema }
  const { name } = names
  const statement = (template: string) => compile(rules, template)
  const list = (condition: string) =>
    statement(`SELECT merchant_id AS id, revision, due_at AS due, document FROM ${name} WHERE merchant_id > {cursor}${condition} ORDER BY merchant_id`)
  return {
    describe: { text: rules.describe(names), names: [] },
    settings: { text: rules.settings, names: [] },
    create: rules.create(names).map(text => ({ text, names: [] })),
    get: statement(`SELECT document FROM ${name} WHERE merchant_id = {merchantId}`),
    getRow: statement(`SELECT revision, due_at AS due, document FROM ${name} WHERE merchant_id = {merchantId}`),
    insert: statement(`INSERT INTO ${name} (merchant_id, revision, due_at, document) VALUES ({merchantId}, {revision}, {dueAt}, {document})${ifAbsent}${end}`),
    update: statement(`UPDATE ${name} SET revision = {revision}, due_at = {dueAt}, document = {document} WHERE merchant_id = {merchantId} AND ${isExpected}${end}`),
    delete: statement(`DELETE FROM ${name} WHERE merchant_id = {merchantId}${end}`),
    deleteRevision: statement(`DELETE FROM ${name} WHERE merchant_id = {merchantId} AND ${isExpected}${end}`),
    list: list(''),
    listDue: list(' AND due_at <= {dueBefore}')
  }
}

/** The name that PostgreSQL and Prisma give this index too. MySQL allows 64 characters. */
function indexName (table: string): string {
  return `${table.slice(0, 52)}_due_at_idx`
}

/** Whether a statement of this adapter returns rows: clients have another method for one that does not. */
export function returnsRows (sql: string): boolean {
  return /^\s*SELECT\b/.test(sql) || sql.endsWith(returning)
}

function compile ({ placeholder, isNumbered }: Dialect, template: string): Statement {
  const names: Array<keyof Parameters> = []
  const text = template.replace(/\{(\w+)\}/g, (_match, word: string) => {
    const name = word as keyof Parameters
    const known = isNumbered ? names.indexOf(name) + 1 : 0
    return placeholder(known || names.push(name))
  })
  return { text, names }
}
