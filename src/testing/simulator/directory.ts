import { Compiled } from '../../checks/compiled.js'
import { isMerchantId } from '../../installation.js'
import { SimulatorMisuse } from './errors.js'
import { AppOptions, check, checkUrl, MerchantOptions, type Employee, type Permissions } from './options.js'
import type { Mint } from './random.js'
import { defaultCharges, defaultItems, defaultMerchants, defaultOrders } from './seed.js'

const fits = new Compiled(MerchantOptions)

/** An app of the simulator. */
export interface SimulatedApp {
  readonly id: string
  readonly name: string
  /** `false`: a low-trust app. */
  readonly secret: string | false
  readonly permissions: Permissions
  readonly siteUrl?: string
  /** Clover's Alternate Launch Path. */
  launchUrl?: string
  webhookUrl?: string
  /** The `X-Clover-Auth` of the simulator's webhooks. */
  readonly webhookAuth: string
}

/** A merchant of the simulator. */
export interface SimulatedMerchant {
  readonly id: string
  readonly name: string
  readonly employees: readonly [Employee, ...Employee[]]
  items: readonly Readonly<Record<string, unknown>>[]
  orders: readonly Readonly<Record<string, unknown>>[]
  /** Of the ecommerce API, the newest first. */
  charges: readonly Readonly<Record<string, unknown>>[]
}

/** The apps and the merchants. */
export class Directory {
  readonly apps: readonly [SimulatedApp, ...SimulatedApp[]]
  readonly merchants: readonly SimulatedMerchant[]
  readonly #mint: Mint
  readonly #orders: ReturnType<typeof defaultOrders>
  readonly #charges: ReturnType<typeof defaultCharges>
  readonly #apps = new Map<string, SimulatedApp>()
  readonly #list: SimulatedMerchant[] = []
  readonly #merchants = new Map<string, SimulatedMerchant>()
  /** The ids of merchants by the name of an employee. */
  readonly #workplaces = new Map<string, Set<string>>()

  /** @param now Unix milliseconds; the default orders are a few hours older */
  constructor (apps: readonly AppOptions[], merchants: readonly MerchantOptions[] | undefined, mint: Mint, now: number) {
    this.#mint = mint
    this.#orders = defaultOrders(now)
    this.#charges = defaultCharges(now)
    this.apps = apps.map(app => this.#addApp(app)) as [SimulatedApp, ...SimulatedApp[]] // the options have one at least
    this.merchants = this.#list
    for (const merchant of merchants ?? defaultMerchants(now)) this.addMerchant(merchant)
  }

  app (id: string): SimulatedApp | undefined {
    return this.#apps.get(id)
  }

  merchant (id: string): SimulatedMerchant | undefined {
    return this.#merchants.get(id)
  }

  /** Whether a person may act for a merchant: its employees may, and a person with an unknown name may act for every merchant as its owner. */
  mayAct (person: string, { id }: SimulatedMerchant): boolean {
    return this.#workplaces.get(person)?.has(id) ?? true
  }

  /** The first `max` merchants whose id or name contains `q`. `person`: only merchants for which this person may act. */
  search (q: string, max: number, person?: string): { merchants: SimulatedMerchant[], total: number, q: string } {
    const wanted = q.trim().toLowerCase()
    const all = person === undefined ? this.#list : this.#list.filter(merchant => this.mayAct(person, merchant))
    const merchants = all.filter(({ id, name }) => `${name} ${id}`.toLowerCase().includes(wanted)).slice(0, max)
    return { merchants, total: all.length, q }
  }

  /** The app with this id, or the first one. Throws a {@link SimulatorMisuse} for an unknown id. */
  needApp (id: string | undefined): SimulatedApp {
    const app = id === undefined ? this.apps[0] : this.app(id)
    if (app === undefined) throw new SimulatorMisuse('The simulator has no app with this id: add it in the option `apps`.')
    return app
  }

  /** The merchant with this id, created if there is none yet. Throws a {@link SimulatorMisuse} for a malformed id. */
  needMerchant (id: string): SimulatedMerchant {
    if (!isMerchantId(id)) throw new SimulatorMisuse('A merchant id has 13 characters of A-Z and 0-9.')
    return this.merchant(id) ?? this.addMerchant({ id })
  }

  /** Throws a {@link SimulatorMisuse} for malformed data or a known id. */
  addMerchant (options: MerchantOptions): SimulatedMerchant {
    // The compiled check is fast enough for a hundred thousand merchants; the other one names the wrong field.
    if (!fits.accepts(options)) check(MerchantOptions, options, 'merchant')
    const id = options.id ?? this.#mint.id()
    if (this.#merchants.has(id)) throw new SimulatorMisuse(`There are two merchants with the id ${id}.`)
    const [first = { id: this.#mint.id(), name: 'Owner' }, ...others] = options.employees ?? []
    const merchant: SimulatedMerchant = {
      id,
      name: options.name ?? `Shop ${id.slice(0, 4)}`,
      employees: [first, ...others],
      items: options.items ?? defaultItems,
      orders: options.orders ?? this.#orders,
      charges: options.charges ?? this.#charges
    }
    this.#merchants.set(id, merchant)
    this.#list.push(merchant)
    for (const { name } of merchant.employees) {
      const workplaces = this.#workplaces.get(name)
      if (workplaces === undefined) this.#workplaces.set(name, new Set([id]))
      else workplaces.add(id)
    }
    return merchant
  }

  #addApp (options: AppOptions): SimulatedApp {
    const { siteUrl, launchUrl, webhookUrl } = options
    for (const [name, url] of Object.entries({ siteUrl, launchUrl, webhookUrl })) {
      if (url !== undefined) checkUrl(url, `app.${name}`)
    }
    const id = options.id ?? this.#mint.id()
    if (this.#apps.has(id)) throw new SimulatorMisuse(`There are two apps with the id ${id}.`)
    const app: SimulatedApp = {
      id,
      name: options.name ?? `App ${id.slice(0, 4)}`,
      secret: options.secret ?? this.#mint.uuid(),
      permissions: {
        readMerchant: true, readInventory: true, writeInventory: true, readOrders: true, writeOrders: true, ecommerce: true, ...options.permissions
      },
      ...(siteUrl !== undefined && { siteUrl }),
      ...(launchUrl !== undefined && { launchUrl }),
      ...(webhookUrl !== undefined && { webhookUrl }),
      webhookAuth: options.webhookAuth ?? this.#mint.uuid()
    }
    this.#apps.set(id, app)
    return app
  }
}
