// Attention over the rows of all banks.

// RUN: xdsl-opt %s -p pim-expand | filecheck %s

// A token's keys go to one bank, its values one element to each bank. Scores use as many channels as the sequence fills.
// For the context, a row of values meets the probabilities of every query of its head, a global buffer (4 columns) at a time.
// CHECK:        func.func @append(%k: !host.buffer<4x32xf16>, %past: index, %slot: index, %rows: index, %layer: index) attributes {device = "pim"} {
// CHECK-NEXT:     %c2 = arith.constant 2 : index
// CHECK-NEXT:     %c128 = arith.constant 128 : index
// CHECK-NEXT:     %c4 = arith.constant 4 : index
// CHECK-NEXT:     %c8 = arith.constant 8 : index
// CHECK-NEXT:     %c1 = arith.constant 1 : index
// CHECK-NEXT:     %c0 = arith.constant 0 : index
// CHECK-NEXT:     %keys = host.address_of @keys
// CHECK-NEXT:     %values = host.address_of @values
// CHECK-NEXT:     scf.for %token = %c0 to %rows step %c1 {
// CHECK-NEXT:       %0 = arith.addi %past, %token : index
// CHECK-NEXT:       %unit = arith.remui %0, %c8 : index
// CHECK-NEXT:       %channel = arith.divui %unit, %c4 : index
// CHECK-NEXT:       %bank = arith.remui %unit, %c4 : index
// CHECK-NEXT:       %group = arith.divui %0, %c8 : index
// CHECK-NEXT:       scf.for %part = %c0 to %c1 step %c1 {
// CHECK-NEXT:         pim.write(src = %k + 64 * %token + 64 * %part, channel = %channel, bank = %bank, row = %keys + 8 * %layer + 4 * %slot + %group + %part, offset = 0, bytes = 64) : !host.buffer<4x32xf16>, index, index, index, index, index, index, index, index
// CHECK-NEXT:       }
// CHECK-NEXT:       %chunk = arith.divui %0, %c128 : index
// CHECK-NEXT:       %element = arith.remui %0, %c128 : index
// CHECK-NEXT:       scf.for %head = %c0 to %c2 step %c1 {
// CHECK-NEXT:         scf.for %part_1 = %c0 to %c4 step %c1 {
// CHECK-NEXT:           %1 = arith.muli %head, %c4 : index
// CHECK-NEXT:           %2 = arith.addi %1, %part_1 : index
// CHECK-NEXT:           %channel_1 = arith.remui %2, %c2 : index
// CHECK-NEXT:           %row = arith.divui %2, %c2 : index
// CHECK-NEXT:           pim.scatter(src = %k + 64 * %token + 32 * %head + 8 * %part_1, channel = %channel_1, row = %values + 8 * %layer + 4 * %slot + 4 * %chunk + %row, offset = 2 * %element, banks = 4) : !host.buffer<4x32xf16>, index, index, index, index, index, index, index, index, index, index
// CHECK-NEXT:         }
// CHECK-NEXT:       }
// CHECK-NEXT:     }
// CHECK-NEXT:     func.return
// CHECK:        func.func @scores(%q: !host.buffer<4x64xf16>, %s: !host.buffer<4x4x32xf32, softmax>, %past: index, %slot: index, %rows: index, %layer: index) attributes {device = "pim"} {
// CHECK-NEXT:     %c-8 = arith.constant -8 : index
// CHECK-NEXT:     %c8 = arith.constant 8 : index
// CHECK-NEXT:     %c2 = arith.constant 2 : index
// CHECK-NEXT:     %c4 = arith.constant 4 : index
// CHECK-NEXT:     %c1 = arith.constant 1 : index
// CHECK-NEXT:     %c0 = arith.constant 0 : index
// CHECK-NEXT:     %keys = host.address_of @keys
// CHECK-NEXT:     scf.for %token = %c0 to %rows step %c1 {
// CHECK-NEXT:       %0 = arith.addi %past, %token : index
// CHECK-NEXT:       %1 = arith.addi %0, %c1 : index
// CHECK-NEXT:       %2 = arith.ceildivui %1, %c4 : index
// CHECK-NEXT:       %reach = arith.minui %c2, %2 : index
// CHECK-NEXT:       scf.for %heads = %c0 to %c1 step %c1 {
// CHECK-NEXT:         scf.for %queries = %c0 to %c1 step %c1 {
// CHECK-NEXT:           pim.write_buffer(space = local, src = %q + 128 * %token + 128 * %heads + 64 * %queries, channel_stride = 0, columns = 4, buffer_column = 0, channel = 0, channels = %reach) : !host.buffer<4x64xf16>, index, index, index, index
// CHECK-NEXT:           %groups = arith.ceildivui %1, %c8 : index
// CHECK-NEXT:           scf.for %group = %c0 to %groups step %c1 {
// CHECK-NEXT:             %3 = arith.muli %group, %c-8 : index
// CHECK-NEXT:             %4 = arith.addi %3, %1 : index
// CHECK-NEXT:             %5 = arith.ceildivui %4, %c4 : index
// CHECK-NEXT:             %channels = arith.minui %c2, %5 : index
// CHECK-NEXT:             pim.activate(row = %keys + 8 * %layer + 4 * %slot + %group, channel = 0, channels = %channels) : index, index, index, index, index
// CHECK-NEXT:             scf.for %head = %c0 to %c2 step %c1 {
// CHECK-NEXT:               scf.for %query = %c0 to %c2 step %c1 {
// CHECK-NEXT:                 pim.mac(column = 2 * %heads + %head, columns = 1, buffer_column = 2 * %head + %query, channel = 0, channels = %channels) : index, index, index, index
// CHECK-NEXT:                 pim.read_acc(space = softmax, dst = %s + 512 * %token + 32 * %group + 512 * %heads + 256 * %queries + 256 * %head + 128 * %query, channel_stride = 16, banks = 4, accumulate = 0, channel = 0, channels = %channels) : !host.buffer<4x4x32xf32, softmax>, index, index, index, index, index, index, index
// CHECK-NEXT:               }
// CHECK-NEXT:             }
// CHECK-NEXT:             pim.precharge(channel = 0, channels = %channels) : index
// CHECK-NEXT:           }
// CHECK-NEXT:         }
// CHECK-NEXT:       }
// CHECK-NEXT:     }
// CHECK-NEXT:     func.return
// CHECK:        func.func @softmax(%s: !host.buffer<4x4x32xf32, softmax>, %p: !host.buffer<4x4x32xf16, softmax>, %past: index, %rows: index) attributes {device = "pim"} {
// CHECK-NEXT:     %c16 = arith.constant 16 : index
// CHECK-NEXT:     %c1 = arith.constant 1 : index
// CHECK-NEXT:     %c0 = arith.constant 0 : index
// CHECK-NEXT:     scf.for %token = %c0 to %rows step %c1 {
// CHECK-NEXT:       %0 = arith.addi %past, %token : index
// CHECK-NEXT:       %1 = arith.addi %0, %c1 : index
// CHECK-NEXT:       %columns = arith.ceildivui %1, %c16 : index
// CHECK-NEXT:       pim.softmax(src = %s + 512 * %token, src_stride = 128, dst = %p + 256 * %token, dst_stride = 64, rows = 4, cols = 16 * %columns, limit = %1, scale = 0.25) : !host.buffer<4x4x32xf32, softmax>, index, !host.buffer<4x4x32xf16, softmax>, index, index
// CHECK-NEXT:     }
// CHECK-NEXT:     func.return
// CHECK:        func.func @context(%p: !host.buffer<4x4x32xf16, softmax>, %o: !host.buffer<4x64xf32>, %past: index, %slot: index, %rows: index, %layer: index) attributes {device = "pim"} {
// CHECK-NEXT:     %c-4 = arith.constant -4 : index
// CHECK-NEXT:     %c16 = arith.constant 16 : index
// CHECK-NEXT:     %c-128 = arith.constant -128 : index
// CHECK-NEXT:     %c4 = arith.constant 4 : index
// CHECK-NEXT:     %c2 = arith.constant 2 : index
// CHECK-NEXT:     %c128 = arith.constant 128 : index
// CHECK-NEXT:     %c1 = arith.constant 1 : index
// CHECK-NEXT:     %c0 = arith.constant 0 : index
// CHECK-NEXT:     %values = host.address_of @values
// CHECK-NEXT:     scf.for %token = %c0 to %rows step %c1 {
// CHECK-NEXT:       %0 = arith.addi %past, %token : index
// CHECK-NEXT:       %1 = arith.addi %0, %c1 : index
// CHECK-NEXT:       %chunks = arith.ceildivui %1, %c128 : index
// CHECK-NEXT:       scf.for %head = %c0 to %c2 step %c1 {
// CHECK-NEXT:         scf.for %part = %c0 to %c4 step %c1 {
// CHECK-NEXT:           scf.for %chunk = %c0 to %chunks step %c1 {
// CHECK-NEXT:             %2 = arith.muli %chunk, %c-128 : index
// CHECK-NEXT:             %3 = arith.addi %2, %1 : index
// CHECK-NEXT:             %tokens = arith.minui %c128, %3 : index
// CHECK-NEXT:             %columns = arith.ceildivui %tokens, %c16 : index
// CHECK-NEXT:             %4 = arith.muli %head, %c4 : index
// CHECK-NEXT:             %5 = arith.addi %4, %part : index
// CHECK-NEXT:             %channel = arith.remui %5, %c2 : index
// CHECK-NEXT:             %row = arith.divui %5, %c2 : index
// CHECK-NEXT:             pim.activate(row = %values + 8 * %layer + 4 * %slot + 4 * %chunk + %row, channel = %channel, channels = 1) : index, index, index, index, index, index
// CHECK-NEXT:             scf.for %query = %c0 to %c2 step %c1 {
// CHECK-NEXT:               %parts = arith.ceildivui %columns, %c4 : index
// CHECK-NEXT:               scf.for %buffer_part = %c0 to %parts step %c1 {
// CHECK-NEXT:                 %6 = arith.muli %buffer_part, %c-4 : index
// CHECK-NEXT:                 %7 = arith.addi %6, %columns : index
// CHECK-NEXT:                 %width = arith.minui %c4, %7 : index
// CHECK-NEXT:                 pim.write_buffer(space = softmax, src = %p + 256 * %token + 128 * %head + 64 * %query + 256 * %chunk + 128 * %buffer_part, channel_stride = 0, columns = %width, buffer_column = 0, channel = %channel, channels = 1) : !host.buffer<4x4x32xf16, softmax>, index, index, index, index, index, index, index
// CHECK-NEXT:                 pim.mac(column = 4 * %buffer_part, columns = %width, buffer_column = 0, channel = %channel, channels = 1) : index, index, index
// CHECK-NEXT:               }
// CHECK-NEXT:               pim.read_acc(space = local, dst = %o + 256 * %token + 128 * %head + 64 * %query + 16 * %part, channel_stride = 16, banks = 4, accumulate = %chunk, channel = %channel, channels = 1) : !host.buffer<4x64xf32>, index, index, index, index, index, index
// CHECK-NEXT:             }
// CHECK-NEXT:             pim.precharge(channel = %channel, channels = 1) : index
// CHECK-NEXT:           }
// CHECK-NEXT:         }
// CHECK-NEXT:       }
// CHECK-NEXT:     }
// CHECK-NEXT:     func.return

builtin.module attributes {pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>} {
  host.memory @keys : tensor<2x2x2x32x16xf16> layout #pim.keys<slots = 2, channels = 2, groups = 4, rows_per_token = 1, heads_per_row = 2, head_dim = 16>
  host.memory @values : tensor<2x2x2x32x16xf16> layout #pim.values<slots = 2, channels = 2, groups = 8, groups_per_head = 4, rows_per_sequence = 4, row_elements = 128, head_dim = 16>
  func.func @append(%k: !host.buffer<4x32xf16>, %past: index, %slot: index, %rows: index, %layer: index) attributes {device = "pim"} {
    pim.kv_append %k, %k, @keys, @values[%layer] at %past slot %slot rows %rows : !host.buffer<4x32xf16>, !host.buffer<4x32xf16>
    func.return
  }
  func.func @scores(%q: !host.buffer<4x64xf16>, %s: !host.buffer<4x4x32xf32, softmax>, %past: index, %slot: index, %rows: index, %layer: index) attributes {device = "pim"} {
    pim.scores %q, @keys[%layer] at %past slot %slot -> %s rows %rows : !host.buffer<4x64xf16> -> !host.buffer<4x4x32xf32, softmax>
    func.return
  }
  func.func @softmax(%s: !host.buffer<4x4x32xf32, softmax>, %p: !host.buffer<4x4x32xf16, softmax>, %past: index, %rows: index) attributes {device = "pim"} {
    pim.softmax_rows %s at %past -> %p rows %rows {scale = 2.500000e-01 : f32} : !host.buffer<4x4x32xf32, softmax> -> !host.buffer<4x4x32xf16, softmax>
    func.return
  }
  func.func @context(%p: !host.buffer<4x4x32xf16, softmax>, %o: !host.buffer<4x64xf32>, %past: index, %slot: index, %rows: index, %layer: index) attributes {device = "pim"} {
    pim.context %p, @values[%layer] at %past slot %slot -> %o rows %rows : !host.buffer<4x4x32xf16, softmax> -> !host.buffer<4x64xf32>
    func.return
  }
}
