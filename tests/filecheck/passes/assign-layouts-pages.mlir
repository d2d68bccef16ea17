// Caches in pages: on the PIM as many tokens as whole rows hold, on the NPU as several loads bring.

// RUN: xdsl-opt %s -p "assign-layouts{page-tokens=1 cache-channels=1 cache-slots=6}" | filecheck %s
// RUN: xdsl-opt %s -p "assign-layouts{page-tokens=130 cache-slots=6}" | filecheck %s --check-prefix=LARGE
// RUN: xdsl-opt %s -p "assign-layouts{page-tokens=1 cache-slots=6 attention=heads}" | filecheck %s --check-prefix=HEADS

// A row tile is 8 tokens in the 8 banks of a channel, a row holds 128 tokens of a value.
// CHECK:      host.memory @keys : tensor<2x6x3x512x32xf16> layout #pim.keys<slots = 6, channels = 1, groups = 1, rows_per_token = 1, heads_per_row = 3, head_dim = 32, page_tokens = 8, pages = 0>
// CHECK-NEXT: host.memory @values : tensor<2x6x3x512x32xf16> layout #pim.values<slots = 6, channels = 1, groups = 12, groups_per_head = 4, rows_per_sequence = 12, row_elements = 128, head_dim = 32, page_tokens = 128, pages = 0>

// LARGE:      layout #pim.keys<slots = 6, channels = 2, groups = 9, rows_per_token = 1, heads_per_row = 3, head_dim = 32, page_tokens = 144, pages = 0>
// LARGE-NEXT: layout #pim.values<slots = 6, channels = 2, groups = 12, groups_per_head = 4, rows_per_sequence = 12, row_elements = 128, head_dim = 32, page_tokens = 256, pages = 0>

// 6 slots and 2 channels: all heads of a slot are in one channel, so there are two groups of pages.
// HEADS:      layout #pim.head_keys<slots = 6, heads_per_channel = 3, parts = 4, columns = 1, rows_per_head = 1, head_dim = 32, page_tokens = 32, pages = 0>
// HEADS-NEXT: layout #pim.head_values<slots = 6, heads_per_channel = 3, parts = 4, tokens = 8, rows_per_head = 1, head_dim = 32, page_tokens = 32, pages = 0>

builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 8, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 256, dual_row_buffer = false, softmax_buffer_bytes = 65536, commands = [mac_tree], parts = 4>, llm.bounds = #llm.bounds<phase = decode, sequences = 1, new_tokens = 1, context = 512>} {
  func.func @pim() attributes {device = "pim"} {
    %kv = host.cache : !llm.kv_cache<2x3x32xf16>
    func.return
  }
}
