export * from '../node_modules/.packed/entry.js'
