// Attention by heads prints as it parses.

// RUN: xdsl-opt %s | xdsl-opt | filecheck %s
// RUN: xdsl-opt %s --print-op-generic | xdsl-opt | filecheck %s

// CHECK:      pim.attend %x, @keys, @values[%i] at %i slot %i via %s, %p -> %y rows %i {in_flight = 2 : i64, scale = 2.500000e-01 : f32} : !host.buffer<1x128xf16>, !host.buffer<1x4x64xf32, softmax>, !host.buffer<1x4x64xf16, softmax> -> !host.buffer<1x128xf32>
// CHECK-NEXT: pim.write_vector(space = local, src = %x + 64 * %i, channel_stride = 64, columns = 1, elements = 32, half = 0, parts = 4, channel = 0, channels = 2) : !host.buffer<1x128xf16>, index
// CHECK-NEXT: pim.fence(channel = 0, channels = 2)
// CHECK-NEXT: pim.mac_tree(column = %i, columns = 4, first = 0, depth = 2, half = 0, result_half = 1, channel = 0, channels = 2) : index
// CHECK-NEXT: pim.mac_lanes(column = 0, columns = 4, first = 4 * %i, half = 1, result_half = 0, channel = 0, channels = 2) : index
// CHECK-NEXT: pim.move_scores(dst = %s, channel_stride = 256, tokens = 16, limit = %i, result_half = 1, parts = 4, channel = 0, channels = 2) : !host.buffer<1x4x64xf32, softmax>, index
// CHECK-NEXT: pim.softmax_head(src = %s, src_stride = 256, dst = %p, dst_stride = 128, cols = %i, scale = 0.25, channel = 0, channels = 2) : !host.buffer<1x4x64xf32, softmax>, !host.buffer<1x4x64xf16, softmax>, index
// CHECK-NEXT: pim.move_vector(src = %p, channel_stride = 128, first = 0, columns = 1, limit = %i, half = 1, parts = 4, channel = 0, channels = 2) : !host.buffer<1x4x64xf16, softmax>, index
// CHECK-NEXT: pim.move_sums(space = local, dst = %y, channel_stride = 128, elements = 32, result_half = 0, parts = 4, channel = 0, channels = 2) : !host.buffer<1x128xf32>
// CHECK-NEXT: "test.op"() {layouts = [#pim.head_keys<slots = 1, heads_per_channel = 2, parts = 4, columns = 1, rows_per_head = 2, head_dim = 32>, #pim.head_values<slots = 1, heads_per_channel = 2, parts = 4, tokens = 16, rows_per_head = 2, head_dim = 32>]} : () -> ()

%x, %y, %s, %p, %i = "test.op"() : () -> (!host.buffer<1x128xf16>, !host.buffer<1x128xf32>, !host.buffer<1x4x64xf32, softmax>, !host.buffer<1x4x64xf16, softmax>, index)
pim.attend %x, @keys, @values[%i] at %i slot %i via %s, %p -> %y rows %i {in_flight = 2 : i64, scale = 2.500000e-01 : f32} : !host.buffer<1x128xf16>, !host.buffer<1x4x64xf32, softmax>, !host.buffer<1x4x64xf16, softmax> -> !host.buffer<1x128xf32>
pim.write_vector(space = local, src = %x + 64 * %i, channel_stride = 64, columns = 1, elements = 32, half = 0, parts = 4, channel = 0, channels = 2) : !host.buffer<1x128xf16>, index
pim.fence(channel = 0, channels = 2)
pim.mac_tree(column = %i, columns = 4, first = 0, depth = 2, half = 0, result_half = 1, channel = 0, channels = 2) : index
pim.mac_lanes(column = 0, columns = 4, first = 4 * %i, half = 1, result_half = 0, channel = 0, channels = 2) : index
pim.move_scores(dst = %s, channel_stride = 256, tokens = 16, limit = %i, result_half = 1, parts = 4, channel = 0, channels = 2) : !host.buffer<1x4x64xf32, softmax>, index
pim.softmax_head(src = %s, src_stride = 256, dst = %p, dst_stride = 128, cols = %i, scale = 0.25, channel = 0, channels = 2) : !host.buffer<1x4x64xf32, softmax>, !host.buffer<1x4x64xf16, softmax>, index
pim.move_vector(src = %p, channel_stride = 128, first = 0, columns = 1, limit = %i, half = 1, parts = 4, channel = 0, channels = 2) : !host.buffer<1x4x64xf16, softmax>, index
pim.move_sums(space = local, dst = %y, channel_stride = 128, elements = 32, result_half = 0, parts = 4, channel = 0, channels = 2) : !host.buffer<1x128xf32>
"test.op"() {layouts = [#pim.head_keys<slots = 1, heads_per_channel = 2, parts = 4, columns = 1, rows_per_head = 2, head_dim = 32>, #pim.head_values<slots = 1, heads_per_channel = 2, parts = 4, tokens = 16, rows_per_head = 2, head_dim = 32>]} : () -> ()
