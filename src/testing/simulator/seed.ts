import type { MerchantOptions } from './options.js'

/** The default inventory, shared by all merchants. Prices in cents. */
export const defaultItems = Object.freeze([
  { id: 'ITEM000000001', name: 'Flat white', price: 420, priceType: 'FIXED', hidden: false },
  { id: 'ITEM000000002', name: 'Filter coffee', price: 350, priceType: 'FIXED', hidden: false },
  { id: 'ITEM000000003', name: 'Cinnamon bun', price: 390, priceType: 'FIXED', hidden: false },
  { id: 'ITEM000000004', name: 'Sourdough loaf', price: 680, priceType: 'FIXED', hidden: false },
  { id: 'ITEM000000005', name: 'Beans, 250 g', price: 1250, priceType: 'FIXED', hidden: false }
])

const hour = 3_600_000

/**
 * The default orders, shared by all merchants. Totals in cents.
 *
 * @param now Unix milliseconds; the orders are a few hours older
 */
export const defaultOrders = (now: number) => Object.freeze([
  { id: 'ORDER00000001', currency: 'USD', total: 810, state: 'locked', createdTime: now - 3 * hour },
  { id: 'ORDER00000002', currency: 'USD', total: 350, state: 'locked', createdTime: now - 2 * hour },
  { id: 'ORDER00000003', currency: 'USD', total: 1930, state: 'open', createdTime: now - hour }
])

/** The default ecommerce charges, the newest first. */
export const defaultCharges = (now: number) => Object.freeze([
  { id: 'CHARGE0000002', amount: 2599, currency: 'usd', created: now - hour, captured: true, paid: true },
  { id: 'CHARGE0000001', amount: 1200, currency: 'usd', created: now - 2 * hour, captured: true, paid: true }
])

/** The default merchants of a simulator. */
export const defaultMerchants = (now: number): readonly MerchantOptions[] => [
  {
    id: 'FERNFILTER001',
    name: 'Fern & Filter Coffee',
    employees: [{ id: 'ROBINREYES001', name: 'Robin Reyes' }, { id: 'MAYALINDGREN1', name: 'Maya Lindgren' }]
  },
  {
    id: 'LARKSTREET001',
    name: 'Lark Street Books',
    employees: [{ id: 'ROBINREYES002', name: 'Robin Reyes' }, { id: 'JONASOKAFOR01', name: 'Jonas Okafor' }],
    items: [
      { id: 'BOOK000000001', name: 'Paperback novel', price: 1499, priceType: 'FIXED', hidden: false },
      { id: 'BOOK000000002', name: 'Field notebook', price: 850, priceType: 'FIXED', hidden: false },
      { id: 'BOOK000000003', name: 'Postcard', price: 150, priceType: 'FIXED', hidden: false }
    ],
    orders: [
      { id: 'BOOKORDER0001', currency: 'USD', total: 2349, state: 'locked', createdTime: now - 4 * hour },
      { id: 'BOOKORDER0002', currency: 'USD', total: 150, state: 'open', createdTime: now }
    ]
  },
  {
    id: 'TOMASTACOS001',
    name: 'Tomás\'s Tacos',
    employees: [{ id: 'TOMASVIDAL001', name: 'Tomás Vidal' }],
    items: [
      { id: 'TACO000000001', name: 'Taco al pastor', price: 395, priceType: 'FIXED', hidden: false },
      { id: 'TACO000000002', name: 'Horchata', price: 300, priceType: 'FIXED', hidden: false }
    ],
    orders: [
      { id: 'TACOORDER0001', currency: 'USD', total: 1485, state: 'locked', createdTime: now - hour }
    ]
  }
]
